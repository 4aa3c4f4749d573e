"""What a file is by its first bytes alone, without the rest: an image that need not be complete."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from struct import unpack_from

from .formats import JPEG_FRAMES, read_webp_size
from .validate import HEAD_BYTES, Media, NotMediaError, find_format
from .walk import BrokenError, Size, read_pair


def read_head(head: bytes) -> Media:
    """Return what a file is by its first bytes, with its size as far as they hold it.

    Raises NotMediaError.
    """
    if not head:
        raise NotMediaError("the file is empty")
    form = find_format(head[:HEAD_BYTES])
    read_size = _SIZES.get(form.name)
    if read_size is None:
        return form.media
    try:
        width, height = read_size(head)
    except (BrokenError, IndexError, struct.error):
        return form.media
    return form.media._replace(width=width, height=height)


def _read_png_size(head: bytes) -> Size:
    return read_pair(">II", head, 16)


def _read_gif_size(head: bytes) -> Size:
    return read_pair("<HH", head, 6)


def _read_jpeg_size(head: bytes) -> Size:
    """Return the size in the frame, which stands behind the metadata."""
    at = 2
    while head[at] == 0xFF:
        if head[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        if head[at + 1 : at + 2] in JPEG_FRAMES:
            return read_pair(">HH", head, at + 5)[::-1]
        at += 2 + unpack_from(">H", head, at + 2)[0]
    raise BrokenError("has no frame")


_SIZES: Mapping[str, Callable[[bytes], Size]] = {
    "PNG": _read_png_size,
    "JPEG": _read_jpeg_size,
    "WebP": read_webp_size,
    "GIF": _read_gif_size,
}
