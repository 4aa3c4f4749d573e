"""What the walkers of all formats share: bounded steps over a file, and why a walk fails."""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap
from struct import unpack_from
from typing import NamedTuple

Size = tuple[int, int]

# Far more than any real file has. A hostile one is refused within a second.
MAX_STEPS = 500_000
STEPS_PER_TICK = 256


class BrokenError(Exception):
    """The file is invalid; the message continues a sentence after the format."""


class CutOffError(BrokenError):
    """The file ends too early, or its parts do not fit; if a decoder finds all pixels, at `end`."""

    def __init__(self, end: int) -> None:
        super().__init__("is cut off")
        self.end = end


class Extent(NamedTuple):
    """Where an image or video ends in its file, and its size; the size of a video is not read."""

    end: int
    size: Size | None = None


class Walk:
    """A file on its way through a walker, which calls `step` for each part of it.

    `tick` is called now and then, so that a lease lives through a long walk.
    """

    def __init__(self, data: mmap, tick: Callable[[], None]) -> None:
        self.data = data
        self.tick = tick
        self._steps = 0

    def step(self) -> None:
        """Count a part of the file; raises BrokenError if there are too many."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise BrokenError(f"has more than {MAX_STEPS} parts")
        if not self._steps % STEPS_PER_TICK:
            self.tick()


def read_pair(layout: str, data: mmap | bytes, at: int = 0) -> Size:
    """Return two integers of a struct layout."""
    first, second = unpack_from(layout, data, at)
    return first, second
