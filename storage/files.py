"""Images in a folder: `file:///abs/path`."""

from __future__ import annotations

import errno
import hashlib
import mimetypes
import os
import shutil
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
    format_os_error,
    require_safe_name,
)

# Python's own table only: what a machine adds to it differs from host to host.
TYPES = mimetypes.MimeTypes()
MAX_REMEMBERED = 1000
# Network shares and the Windows folders of WSL refuse to flush a folder.
NOT_SUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
# What a file system says of a name that it cannot have.
NO_NAMES = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
# With less space, images would be paid for that do not fit.
MIN_FREE_BYTES = 100_000_000


class FileStorage(Storage):
    """Stores images in a folder; the extension of a file gives its MIME type."""

    remedy = "let this user write there, or change IMAGEQUEUE_STORAGE_URL"

    def __init__(self, url: str) -> None:
        self.folder = Path(unquote(urlsplit(url).path))
        # Inside the folder, because a rename is atomic on one file system only.
        super().__init__(url, self.folder / ".incoming")
        self._root = str(self.folder)
        self._flushed: dict[str, None] = {}

    def find_missing(self) -> Path | None:
        """Return the folder if it does not exist yet and can be made, else None."""
        nearest = next(each for each in (self.folder, *self.folder.parents) if each.exists())
        is_new = nearest != self.folder and nearest.is_dir() and os.access(nearest, os.W_OK)
        return self.folder if is_new else None

    def put(
        self,
        name: str,
        file: Temporary,
        *,
        content_type: str,
        sha256: str,
        more_follows: bool = False,
    ) -> str:
        """Flush the file and rename it into place; see Storage."""
        target = self._path(name)
        folder = os.path.dirname(target)
        try:
            if not _is_same(target, file, sha256):
                _flush_file(file)
                _rename(file, target)
            if not more_follows:
                self._flush_folder(folder)
                self._flush_parents(folder)
        except OSError as error:
            raise StorageError(f"{target} cannot be written: {format_os_error(error)}") from None
        return _to_uri(target)

    def _flush_folder(self, folder: str) -> None:
        """Flush a folder's names to the disk, where the file system can do so."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in NOT_SUPPORTED:
                raise
            self.warning = "its file system flushes no folders: a power cut may lose new images"
        finally:
            os.close(descriptor)

    def _flush_parents(self, folder: str) -> None:
        """Flush the names of the folders above, once a process: their creator may have died."""
        while folder not in self._flushed:
            above = os.path.dirname(folder)
            # The parent of the root has another owner and may be unreadable.
            with suppress(PermissionError):
                self._flush_folder(above)
            self._flushed[folder] = None
            if len(self._flushed) > MAX_REMEMBERED:
                self._flushed.pop(next(iter(self._flushed)), None)
            if folder == self._root:
                return
            folder = above

    def open(self, uri: str, start: int = 0, end: int | None = None) -> Blob:
        """Open the file of a URI; see Storage."""
        path = self._parse_uri(uri)
        try:
            if not path.is_file():
                raise FileNotFoundError(uri)
            file = path.open("rb")
        except FileNotFoundError:
            raise FileNotFoundError(uri) from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {format_os_error(error)}") from None
        size = os.fstat(file.fileno()).st_size
        chunks = _iter_bytes(file, start, sys.maxsize if end is None else end)
        next(chunks)
        content_type, _ = TYPES.guess_type(path.name, strict=False)
        return Blob(size, content_type or UNKNOWN_TYPE, chunks)

    def uri(self, name: str) -> str:
        """Return the name as a `file://` URI; see Storage."""
        return _to_uri(self._path(name))

    def is_free(self, name: str) -> bool:
        """Look for the file, and for one in the place of its folder; see Storage."""
        path = self._path(name)
        try:
            while not _exists(path):
                path = os.path.dirname(path)
        except OSError as error:
            if error.errno in NO_NAMES:
                return False
            raise StorageError(f"{path} cannot be read: {format_os_error(error)}") from None
        return path != self._path(name) and os.path.isdir(path)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, require_safe_name(name))

    def _parse_uri(self, uri: str) -> Path:
        """Return the file of a URI, links and `..` resolved; raises FileNotFoundError outside."""
        try:
            parts = urlsplit(uri)
            path = Path(os.path.realpath(unquote(parts.path)))
            require_safe_name(path.relative_to(self.folder.resolve()).as_posix())
        except ValueError:
            raise FileNotFoundError(uri) from None
        if parts.scheme != "file" or parts.netloc:
            raise FileNotFoundError(uri)
        return path

    def _probe(self) -> None:
        """Write and read a probe, and require some free space; see Storage."""
        super()._probe()
        if shutil.disk_usage(self.folder).free < MIN_FREE_BYTES:
            raise StorageError(f"{self.url}: less than {MIN_FREE_BYTES // 10**6} MB are free")

    def _remove(self, name: str) -> None:
        try:
            (self.folder / require_safe_name(name)).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{name} cannot be removed: {format_os_error(error)}") from None


def _iter_bytes(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        # `open` takes this first item: a started generator closes its file even if unread.
        yield b""
        try:
            file.seek(start)
            while chunk := file.read(min(CHUNK_BYTES, max(end - file.tell(), 0))):
                yield chunk
        except OSError as error:
            why = format_os_error(error)
            raise StorageError(f"{file.name} cannot be read: {why}") from None


def _to_uri(path: str) -> str:
    """Return what Path.as_uri returns, in less time."""
    return f"file://{quote(path)}"


def _exists(path: str) -> bool:
    """Return whether there is a file, a folder or a link; an unknown answer is an OSError."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_same(target: str, file: Temporary, sha256: str) -> bool:
    try:
        found = os.stat(target)
    except OSError:
        return False  # any other failure shows when the file is renamed
    size = os.fstat(file.fileno()).st_size
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        return False
    with Path(target).open("rb") as there:
        return hashlib.file_digest(there, "sha256").hexdigest() == sha256


def _rename(file: Temporary, target: str) -> None:
    """Rename the file; create its folder only if missing, which is the rare case."""
    try:
        os.replace(file.name, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(file.name, target)
    file.moved = True


def _flush_file(file: Temporary) -> None:
    """Flush a file's bytes to the disk, and drop them from the page cache.

    The next file then reuses that memory, which is ten times cheaper than fresh memory, and the
    cached files of others stay.
    """
    descriptor = file.fileno()
    os.fsync(descriptor)
    if hasattr(os, "posix_fadvise"):  # absent on macOS
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
