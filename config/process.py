"""The start of a process: settings and logs, or one line that says what to change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from ..errors import ConfigError, RedisUnavailableError
from .logging import configure_logs
from .settings import Settings, get_settings

CANNOT_START = 2
"""Exit status of a process that would fail again after a restart."""


class SafeStream:
    """A text stream whose writes never raise: a full disk or closed pipe must not stop a paid job.

    Celery's banner, `print`, tracebacks and warnings write to it, as the logs do.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be written."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def protect_output() -> None:
    """Make every write to standard output and standard error safe."""
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, SafeStream):
            setattr(sys, name, SafeStream(stream))


@contextmanager
def exit_on_config_error() -> Iterator[None]:
    """Turn a refused start into one line on standard error, without a traceback.

    The exit status is 2 if a restart would fail too, and 1 if Redis may answer by then.
    """
    try:
        yield
    except (ConfigError, RedisUnavailableError) as error:
        print(f"imagequeue: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(CANNOT_START if isinstance(error, ConfigError) else 1) from None


def start_process() -> Settings:
    """Read the settings, set up the logs and return the settings."""
    protect_output()
    settings = get_settings()
    configure_logs(settings)
    return settings
