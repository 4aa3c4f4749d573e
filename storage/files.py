"""Pictures in a folder: `file:///abs/path`."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from .base import (
    CHUNK_BYTES,
    UNKNOWN_TYPE,
    Blob,
    Storage,
    StorageError,
    Temporary,
    checked,
    reason,
)

# Python's own table: what the machine adds to it would differ from host to host.
TYPES = mimetypes.MimeTypes()


MAX_REMEMBERED = 1000


class FileStorage(Storage):
    """A folder; a file's MIME type is told by its name, for there is no place to keep it."""

    remedy = "let this user write there, or change IMAGEQUEUE_STORAGE_URL"

    def __init__(self, url: str) -> None:
        self.folder = Path(unquote(urlsplit(url).path))
        # Within the folder, for a rename is atomic on one file system only.
        super().__init__(url, self.folder / ".incoming")
        self._root = str(self.folder)
        self._flushed: dict[str, None] = {}

    def put(
        self,
        name: str,
        file: Temporary,
        *,
        content_type: str,
        sha256: str,
        more_follows: bool = False,
    ) -> str:
        """Move the file to its name, flushed; see Storage."""
        target = self._path(name)
        folder = os.path.dirname(target)
        try:
            if not _is_same(target, file, sha256):
                _flush_and_forget(file)
                _move(file, target)
            if not more_follows:
                _flush(folder)
                self._flush_above(folder)
        except OSError as error:
            raise StorageError(f"{target} cannot be written: {reason(error)}") from None
        return _uri(target)

    def _flush_above(self, folder: str) -> None:
        """Bring the names of folders to the disk, once a process: who made them may have died."""
        while folder not in self._flushed:
            above = os.path.dirname(folder)
            # The last is not ours, and perhaps closed to us.
            with suppress(PermissionError):
                _flush(above)
            self._flushed[folder] = None
            if len(self._flushed) > MAX_REMEMBERED:
                self._flushed.pop(next(iter(self._flushed)), None)
            if folder == self._root:
                return
            folder = above

    def open(self, uri: str, start: int = 0, end: int | None = None) -> Blob:
        """Open the file behind a URI; see Storage."""
        path = self._inside(uri)
        try:
            if not path.is_file():
                raise FileNotFoundError(uri)
            file = path.open("rb")
        except FileNotFoundError:
            raise FileNotFoundError(uri) from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {reason(error)}") from None
        size = os.fstat(file.fileno()).st_size
        chunks = _read(file, start, sys.maxsize if end is None else end)
        next(chunks)
        content_type, _ = TYPES.guess_type(path.name, strict=False)
        return Blob(size, content_type or UNKNOWN_TYPE, chunks)

    def uri(self, name: str) -> str:
        """The name as a `file://` URI; see Storage."""
        return _uri(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._root, checked(name))

    def _inside(self, uri: str) -> Path:
        """The file that a URI really leads to, symbolic links and `..` followed."""
        try:
            parts = urlsplit(uri)
            path = Path(os.path.realpath(unquote(parts.path)))
            checked(path.relative_to(self.folder.resolve()).as_posix())
        except ValueError:
            raise FileNotFoundError(uri) from None
        if parts.scheme != "file" or parts.netloc:
            raise FileNotFoundError(uri)
        return path

    def _remove(self, name: str) -> None:
        try:
            (self.folder / checked(name)).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{name} cannot be removed: {reason(error)}") from None


def _read(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        # Taken by `open`: once begun, a generator closes its file even if nobody reads on.
        yield b""
        file.seek(start)
        while chunk := file.read(min(CHUNK_BYTES, max(end - file.tell(), 0))):
            yield chunk


def _uri(path: str) -> str:
    """What Path.as_uri returns."""
    return f"file://{quote(path)}"


def _is_same(target: str, file: Temporary, sha256: str) -> bool:
    try:
        found = os.stat(target)
    except OSError:
        return False  # if that is trouble, the move tells it
    size = os.fstat(file.fileno()).st_size
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        return False
    with Path(target).open("rb") as there:
        return hashlib.file_digest(there, "sha256").hexdigest() == sha256


def _move(file: Temporary, target: str) -> None:
    """Rename the file; the folder that it goes to is there more often than not."""
    try:
        os.replace(file.name, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(file.name, target)
    file.moved = True


def _flush_and_forget(file: Temporary) -> None:
    """Bring a file's bytes to the disk, where there is no need to cache them any more.

    Memory that is used again for the next file costs a tenth of memory that was not used lately,
    and what others have cached stays.
    """
    descriptor = file.fileno()
    os.fsync(descriptor)
    if hasattr(os, "posix_fadvise"):  # not everywhere
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _flush(folder: str) -> None:
    """Bring a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
