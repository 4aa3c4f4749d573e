"""Where pictures are kept: each appears at its name whole, verified and flushed, or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .media import Media, examine


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


def _flush(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
