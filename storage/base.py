"""What a place for pictures does: take a finished file whole, give it back, say its trouble."""

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
PROBE = b"a probe of imagequeue, safe to remove\n"


class StorageError(ImageQueueError):
    """The storage is in trouble or refuses, which may pass; one line without secrets."""


class Blob(NamedTuple):
    """Something kept: its whole size in bytes, its MIME type, and the bytes that were asked for."""

    size: int
    content_type: str
    chunks: Iterator[bytes]


class Temporary(FileIO):
    """A file on its way into storage, open to write and to read, unbuffered; gone after `with`."""

    name: str
    moved = False
    """Whether `put` has moved it, so that nothing of it is left under `name`."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it; the system may take a part and be silent, as a disk that fills up is."""
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
    """Where pictures are kept; `scratch` is the local folder of files on their way there."""

    remedy: str
    """What to look at when a check has failed."""

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
        """Bring a file to `name` and return its URI; the file may be gone from its own name then.

        It is there whole and durable, or not at all; other bytes are replaced, and the same bytes
        (by size and SHA-256 in hex) are not written again. With `more_follows`, a power cut may
        still take the whole file away, until a `put` without it to a name in the same folder.
        Raises StorageError, or ValueError for a name that is no relative path as `job_1/0.png` is.
        """

    @abstractmethod
    def open(self, uri: str, start: int = 0, end: int | None = None) -> Blob:
        """Read what `put` returned `uri` for, from byte `start` until before byte `end`.

        Raises FileNotFoundError if it is gone or outside of this storage, and StorageError, the
        latter also out of `chunks`.
        """

    @abstractmethod
    def uri(self, name: str) -> str:
        """Where `put` keeps a name."""

    @abstractmethod
    def _remove(self, name: str) -> None:
        """Remove what is kept under a name; raises StorageError."""

    def temporary(self) -> Temporary:
        """A fresh file in `scratch`, for a `with`; raises StorageError without that folder."""
        name = f"{self._scratch}/{os.urandom(16).hex()}.part"
        try:
            self._remove_orphans()
            try:
                return Temporary(name, "xb+")
            except FileNotFoundError:
                self.scratch.mkdir(parents=True, exist_ok=True)
                return Temporary(name, "xb+")
        except OSError as error:
            raise StorageError(f"{self.scratch} cannot be used: {reason(error)}") from None

    def check(self) -> None:
        """Write, read back and remove a probe; raises StorageError that says what to change."""
        try:
            self._probe()
        except OSError as error:
            raise StorageError(f"{self.url}: {reason(error)}; {self.remedy}") from None
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
                raise StorageError(f"{self.url}: what was written came back as something else")
        finally:
            self._remove(name)

    def _remove_orphans(self) -> None:
        """Remove what killed workers left, now and then; what is being written was touched."""
        if time.monotonic() - self._swept_at < SWEEP_EVERY_S:
            return
        self._swept_at = time.monotonic()
        for path in self.scratch.glob("*.part"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > ORPHAN_AFTER_S:
                    path.unlink()


def checked(name: str) -> str:
    """The name, if it leads nowhere but down; what starts with a dot is never a picture."""
    if not name.isprintable() or any(part[:1] in ("", ".") for part in name.split("/")):
        raise ValueError(f"{name!r} is no name to keep a picture under")
    return name


def reason(error: OSError) -> str:
    """What the system said, without its number."""
    return error.strerror or str(error) or type(error).__name__
