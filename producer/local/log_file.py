"""The file with the logs of all processes that `up` runs, which stays within bounds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from .supervisor import WriteLine

MAX_BYTES = 10_000_000
KEPT_FILES = 4


class _Handler(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Do nothing: a full disk must not stop what the lines are about."""


@contextmanager
def open_log(path: Path) -> Iterator[WriteLine]:
    """Return what appends a line; a full file is renamed to `NAME.1`, and old ones are deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _Handler(path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8")

    def write(name: str, line: str) -> None:
        text = f"{name:>10} | {line}"
        handler.handle(logging.LogRecord("up", logging.INFO, "", 0, text, None, None))

    try:
        yield write
    finally:
        handler.close()
