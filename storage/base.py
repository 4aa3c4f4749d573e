"""The interface of every image storage, and what they share: temporary files and a self-check."""

from __future__ import annotations

import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ImageQueueError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CHUNK_BYTES = 256 * 1024
ORPHAN_AFTER_S = 3600.0
SWEEP_EVERY_S = 600.0
UNKNOWN_TYPE = "application/octet-stream"
ID_NAME = "storage-id.txt"
PROGRESS_NAME = "redis-progress.txt"
PROBE = b"a probe of imagequeue, safe to remove\n"


class StorageError(ImageQueueError):
    """The storage failed or refused, perhaps for a while; the message is one line, no secrets."""


class Blob(NamedTuple):
    """A stored file: its full size in bytes, its MIME type, and the requested bytes."""

    size: int
    content_type: str
    chunks: Iterator[bytes]


class Temporary(FileIO):
    """An unbuffered temporary file to write an image into; leaving its `with` deletes it."""

    name: str
    moved = False
    """Whether `put` has renamed the file, so that there is nothing left to delete."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data`; the system may write a part only, as on a disk that fills up."""
        whole = memoryview(data).cast("B")
        written = super().write(whole)
        while written < len(whole):
            written += super().write(whole[written:])
        return written

    def __exit__(self, *error: object) -> None:
        try:
            self.close()
        finally:
            if not self.moved:
                Path(self.name).unlink(missing_ok=True)


class Storage(ABC):
    """Stores images under names; `scratch` is the local folder of its temporary files."""

    survives_fork = True
    """Whether a process may use the storage before and after it forks."""
    warning = ""
    """What the storage cannot promise, as `check` has found; empty if it promises all."""
    remedy: str
    """What the user can do when `check` fails; ends its message."""

    def __init__(self, url: str, scratch: Path) -> None:
        self.url = url
        self.scratch = scratch
        self._scratch = str(scratch)
        self._swept_at = -SWEEP_EVERY_S

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @abstractmethod
    def put(
        self,
        name: str,
        file: Temporary,
        *,
        content_type: str,
        sha256: str,
        more_follows: bool = False,
    ) -> str:
        """Store a file under `name` and return its URI.

        The stored file is complete and durable, or absent. It replaces other bytes under that name;
        the same bytes (by size and `sha256`, in hex) are not written again. It may rename `file`.
        With `more_follows` a power cut may lose the file until a `put` without it into the same
        folder. Raises StorageError, or ValueError unless `name` is a relative path such as
        `job_1/0.png`.
        """

    @abstractmethod
    def open(self, uri: str, start: int = 0, end: int | None = None) -> Blob:
        """Open the file that `put` stored under `uri`, from byte `start` to before byte `end`.

        Raises FileNotFoundError if the file is gone or outside this storage. Raises StorageError,
        also while `chunks` is read.
        """

    @abstractmethod
    def uri(self, name: str) -> str:
        """Return the URI under which `put` stores a name."""

    @abstractmethod
    def is_free(self, name: str) -> bool:
        """Return whether nothing is stored under a name, and `put` may store a file there.

        Raises StorageError.
        """

    def delete(self, name: str) -> None:
        """Delete the file under a name, if there is one; raises StorageError."""
        with suppress(FileNotFoundError):
            self._remove(require_safe_name(name))

    @abstractmethod
    def _remove(self, name: str) -> None:
        """Delete the file under a name; raises StorageError, and may raise FileNotFoundError."""

    def temporary(self) -> Temporary:
        """Return a new file in `scratch`, to be used in a `with`; raises StorageError."""
        name = f"{self._scratch}/{os.urandom(16).hex()}.part"
        try:
            try:
                file = Temporary(name, "xb+")
            except FileNotFoundError:
                self.scratch.mkdir(parents=True, exist_ok=True)
                file = Temporary(name, "xb+")
            self._remove_orphans(file)
            return file
        except OSError as error:
            raise StorageError(f"{self.scratch} cannot be used: {format_os_error(error)}") from None

    def read_id(self) -> str:
        """Return the id that `write_id` stored; empty if there is none. Raises StorageError."""
        return self._read_line(ID_NAME)

    def write_id(self, new: str) -> None:
        """Store an id, by which hosts find out whether they use the same storage.

        Raises StorageError.
        """
        self._write_line(ID_NAME, new)

    def read_progress(self) -> int:
        """Return the number that `write_progress` stored last; 0 if none. Raises StorageError."""
        line = self._read_line(PROGRESS_NAME)
        return int(line) if line.isdecimal() else 0

    def write_progress(self, number: int) -> None:
        """Store how far Redis is, by which one that has gone back is noticed.

        Raises StorageError.
        """
        self._write_line(PROGRESS_NAME, str(number))

    def _read_line(self, name: str) -> str:
        try:
            blob = self.open(self.uri(name))
        except FileNotFoundError:
            return ""
        return b"".join(blob.chunks).decode(errors="replace").strip()

    def _write_line(self, name: str, line: str) -> None:
        content = f"{line}\n".encode()
        with self.temporary() as file:
            file.write(content)
            sha256 = hashlib.sha256(content).hexdigest()
            self.put(name, file, content_type="text/plain", sha256=sha256)

    def check(self) -> None:
        """Write, read and delete a probe; raises StorageError that says what to change."""
        try:
            self._probe()
        except OSError as error:
            raise StorageError(f"{self.url}: {format_os_error(error)}; {self.remedy}") from None
        except StorageError as error:
            raise StorageError(f"{error}; {self.remedy}") from None

    def _probe(self) -> None:
        name = f"probe-{os.urandom(8).hex()}.txt"
        sha256 = hashlib.sha256(PROBE).hexdigest()
        with self.temporary() as file:
            file.write(PROBE)
            uri = self.put(name, file, content_type="text/plain", sha256=sha256)
        try:
            if b"".join(self.open(uri).chunks) != PROBE:
                raise StorageError(f"{self.url}: the bytes read differ from those written")
        finally:
            self._remove(name)

    def _remove_orphans(self, new: Temporary) -> None:
        """Delete, at intervals, the files that killed workers left; those in use are newer.

        `new` is a file of just now: the clock of a shared folder may not be that of this machine.
        """
        if time.monotonic() - self._swept_at < SWEEP_EVERY_S:
            return
        self._swept_at = time.monotonic()
        now = os.fstat(new.fileno()).st_mtime
        for path in self.scratch.glob("*.part"):
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > ORPHAN_AFTER_S:
                    path.unlink()


def require_safe_name(name: str) -> str:
    """Return the name if it stays inside the storage and no part is hidden; raises ValueError."""
    if not name.isprintable() or any(part[:1] in ("", ".") for part in name.split("/")):
        raise ValueError(f"{name!r} is not a valid name for a stored image")
    return name


def format_os_error(error: OSError) -> str:
    """Return the message of the system, without its number."""
    return error.strerror or str(error) or type(error).__name__
