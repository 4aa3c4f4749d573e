"""Walk the elements of WebM to find where the video ends; see formats.py."""

from __future__ import annotations

from mmap import mmap

from .walk import BrokenError, Extent, Walk

_SEGMENT, _TRACKS, _CLUSTER = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75"


def walk_webm(walk: Walk) -> Extent:
    """Require a segment with tracks and frames up to its length.

    A recorder that could not go back to write a length has left it unknown: such a segment ends
    with the file, such a cluster with the next one.
    """
    data, at, end = walk.data, 0, len(walk.data)
    kinds: set[bytes] = set()
    while at < end:
        walk.step()
        start = at
        kind = _read_id(data, at)
        length, at = _read_length(data, at + len(kind))
        if kind == _SEGMENT:
            end = len(data) if length is None else at + length
        elif length is not None:
            at += length
        elif kind != _CLUSTER:
            raise BrokenError(f"has no element at byte {start}")
        if at > len(data):
            raise BrokenError("is cut off")
        kinds.add(kind)
    if at != end or not {_SEGMENT, _TRACKS, _CLUSTER} <= kinds:
        raise BrokenError("is cut off")
    return Extent(end)


def _read_id(data: mmap, at: int) -> bytes:
    """Return an element's kind; the leading zero bits of its first byte say how long it is."""
    size = 9 - data[at].bit_length()
    if size > 4:
        raise BrokenError(f"has no element at byte {at}")
    return data[at : at + size]


def _read_length(data: mmap, at: int) -> tuple[int | None, int]:
    """Return an element's length, or None if it is unknown, and where its content begins."""
    size = 9 - data[at].bit_length()
    if size > 8:
        raise BrokenError(f"has no length at byte {at}")
    bits = 7 * size
    value = int.from_bytes(data[at : at + size]) & (1 << bits) - 1
    return (None if value == (1 << bits) - 1 else value), at + size
