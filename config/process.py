"""The start of a process: settings and logs, or one line that says what to change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ConfigError, RedisUnavailableError
from ..providers import PROVIDERS
from .logging import configure_logs, get_logger
from .output import protect_output
from .settings import Settings, get_settings
from .tracing import start_tracing

log = get_logger(__name__)

REFUSAL = "imagequeue: "
"""How the line begins that says why a process does not start."""

CANNOT_START = 2
"""Exit status of a process that would fail again after a restart."""


@contextmanager
def exit_on_config_error() -> Iterator[None]:
    """Turn a refused start into one line on standard error, without a traceback.

    The exit status is 2 if a restart would fail too, and 1 if Redis may answer by then.
    """
    try:
        yield
    except (ConfigError, RedisUnavailableError) as error:
        print(f"{REFUSAL}{error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(CANNOT_START if isinstance(error, ConfigError) else 1) from None


def start_process() -> Settings:
    """Read the settings, set up logs and traces, and return the settings; raises ConfigError."""
    protect_output()
    settings = get_settings()
    configure_logs(settings)
    if settings.traces:
        start_tracing()
    for problem in PROVIDERS.problems:
        log.warning("plugin_left_out", why=problem)
    return settings
