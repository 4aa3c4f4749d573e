"""How a process begins: its settings and logs, or one line that says what to change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ConfigError, RedisUnavailableError
from .logging import configure_logs
from .settings import Settings, get_settings

CANNOT_START = 2
"""Exit status of a process that would fail again if it were started again."""


@contextmanager
def exit_on_config_error() -> Iterator[None]:
    """Leave with one line, without a traceback, where the start is refused.

    The status is 2 where another start would fail as well, 1 where Redis may be back by then.
    """
    try:
        yield
    except (ConfigError, RedisUnavailableError) as error:
        print(f"imagequeue: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(CANNOT_START if isinstance(error, ConfigError) else 1) from None


def start_process() -> Settings:
    """The settings, with logs set up by them."""
    settings = get_settings()
    configure_logs(settings)
    return settings
