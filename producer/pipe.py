"""A file that is taken away while it is written."""

from __future__ import annotations

import io
from typing import Any


class Pipe(io.RawIOBase):
    """A file that is only written to, and whose content is taken away meanwhile."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._taken = 0

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def write(self, data: Any) -> int:
        """Append the bytes and return how many they are."""
        self._written += data
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._taken + len(self._written)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken = bytes(self._written)
        self._written.clear()
        self._taken += len(taken)
        return taken
