"""Where pictures are kept: each appears at its name whole, verified and flushed, or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .media import Media, examine

ORPHAN_AFTER_S = 3600.0


class Stored(NamedTuple):
    """A saved picture: where it is, what it is, and the SHA-256 of its bytes in hex."""

    uri: str
    sha256: str
    bytes: int
    media: Media


class Storage:
    """A folder given as a `file://` URL; a picture's name is `{job_id}/{index}.{extension}`."""

    def __init__(self, url: str) -> None:
        self.folder = Path(unquote(urlsplit(url).path))

    def save(self, job_id: str, index: int, chunks: Iterable[bytes]) -> Stored:
        """Write, verify and move into place; raises NotMediaError, or what `chunks` raises."""
        folder = self.folder / job_id
        folder.mkdir(parents=True, exist_ok=True)
        _flush(self.folder)
        _remove_orphans(folder)
        with _temporary(folder) as path:
            digest = hashlib.sha256()
            with path.open("wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            media = examine(path)
            target = folder / f"{index}.{media.extension}"
            path.replace(target)
        _flush(folder)
        return Stored(target.as_uri(), digest.hexdigest(), size, media)


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A name beside the final ones, gone whatever happens short of a kill."""
    path = folder / f".{secrets.token_hex(8)}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _remove_orphans(folder: Path) -> None:
    """Remove what a killed worker left behind; one that writes has touched its file of late."""
    for path in folder.glob(".*.part"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ORPHAN_AFTER_S:
                path.unlink()


def _flush(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
