"""The archive: finished jobs and entries of the ledger in SQLite or PostgreSQL, outside Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.settings import Settings

if TYPE_CHECKING:
    from .archive import Archive

ArchiveOpener = Callable[[], "Archive | None"]


def prepare_archive(settings: Settings, *, create: bool = True) -> ArchiveOpener:
    """Return a function that opens the archive once, when it is first needed; None without one.

    It raises ConfigError or ArchiveUnavailableError, and then tries again at the next call. Without
    `create`, a SQLite file that does not exist is no archive yet.
    """
    path = settings.archive.removeprefix("sqlite:///") if not create else ""
    opened: list[Archive | None] = []

    def open_once() -> Archive | None:
        if not opened and path.startswith("/") and not Path(path).exists():
            return None
        if not opened:
            opened.append(_open(settings))
        return opened[0]

    return open_once


def _open(settings: Settings) -> Archive | None:
    if not settings.archive:
        return None
    # Imported late: most commands never read the archive.
    from .archive import open_archive

    return open_archive(settings.archive)
