"""Walk the boxes of AVIF and MP4 to find where the image or video ends; see formats.py."""

from __future__ import annotations

import re
from math import prod
from struct import unpack_from

from .walk import BrokenError, CutOffError, Extent, Walk, read_pair

_AVIF_SIZE = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
# Boxes that hold frames, or say where frames are.
_ESSENTIAL = {b"ftyp", b"meta", b"moov", b"moof", b"mdat"}


def walk_avif(walk: Walk) -> Extent:
    """Require metadata and frames; the largest item is the image, others its tiles or alpha."""
    end, span = _walk_boxes(b"meta", walk)
    if end < len(walk.data):
        raise CutOffError(end)
    size = (0, 0)
    for found in _AVIF_SIZE.finditer(walk.data, *span):
        walk.step()
        size = max(size, read_pair(">II", found[1]), key=prod)
    return Extent(end, size)


def walk_mp4(walk: Walk) -> Extent:
    """Require the movie's metadata and frames."""
    return Extent(_walk_boxes(b"moov", walk)[0])


def _walk_boxes(wanted: bytes, walk: Walk) -> tuple[int, tuple[int, int]]:
    """Return where the boxes end, and the span of one, which has to be there as the frames have."""
    data, at, spans = walk.data, 0, {}
    while at + 8 <= len(data):
        walk.step()
        length, kind = unpack_from(">I4s", data, at)
        if length == 1:  # the length follows in 64 bits
            (length,) = unpack_from(">Q", data, at + 8)
        elif length == 0 and kind.isalnum():  # the last box reaches to the end
            length = len(data) - at
        if length < 8 or at + length > len(data):
            if kind in _ESSENTIAL:
                raise BrokenError("is cut off")
            break
        if kind in (wanted, b"mdat"):
            spans[kind] = at, at + length
        at += length
    if len(spans) < 2:
        raise BrokenError("is cut off")
    return at, spans[wanted]
