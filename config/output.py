"""Standard output and standard error that may break without breaking the process."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO


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
