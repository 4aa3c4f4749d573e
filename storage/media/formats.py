"""Walk the structure of each image format to find its end and its size.

Pillow is not used here: to be sure of a file it has to decode the pixels, which costs seconds and
hundreds of megabytes for a large or hostile image. These walkers decode nothing, read a memory map,
and take constant memory. What stands behind the last pixel is not judged: viewers ignore it.

Every function raises BrokenError, or IndexError or struct.error where the bytes end too early.
"""

from __future__ import annotations

import re
import zlib
from mmap import mmap
from struct import unpack_from

from .walk import BrokenError, CutOffError, Extent, Size, Walk, read_pair

_PNG_HEADER = b"\0\0\0\x0dIHDR"
_PNG_ANCILLARY = 0x20  # a bit of the first letter: viewers can do without this chunk
_PNG_FRAMES = {b"acTL", b"fcTL", b"fdAT"}
# Not markers: a stuffed byte, TEM, the restarts, and a fill byte.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xd8", b"\xd9", b"\xda"
JPEG_FRAMES = {b"\xc0", b"\xc1", b"\xc2", b"\xc9", b"\xca"}  # those that libjpeg decodes
_JPEG_COMPLEX = {b"\xc2", b"\xca", b"\xdd"}  # progressive frames, and a restart interval
# A search blocks the other threads until it returns.
_SEARCH_BYTES = 64 * 1024
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_WEBP_FRAME = b"ANMF"
_WEBP_IMAGES = {b"VP8 ", b"VP8L", _WEBP_FRAME}


def walk_png(walk: Walk) -> Extent:
    """Require valid chunks from IHDR to IEND, with pixel data.

    Viewers ignore the checksums of ancillary chunks and of IEND.
    """
    data, at, has_pixels = walk.data, 8, False
    if data[8:16] != _PNG_HEADER:
        raise BrokenError("does not begin with its header")
    with memoryview(data) as view:  # a chunk may be as large as the file, so it is not copied
        while True:
            walk.step()
            if has_pixels and (at + 8 > len(data) or not data[at + 4 : at + 8].isalpha()):
                raise CutOffError(at)
            length, kind = unpack_from(">I4s", data, at)
            end = at + 8 + length
            if kind == b"IEND" and has_pixels:
                return Extent(min(end + 4, len(data)), read_pair(">II", data, 16))
            (checksum,) = unpack_from(">I", data, end)
            is_essential = kind in _PNG_FRAMES or not kind[0] & _PNG_ANCILLARY
            if is_essential and zlib.crc32(view[at + 4 : end]) != checksum:
                raise BrokenError(f"has a wrong checksum at byte {end}")
            has_pixels |= kind == b"IDAT"
            at = end + 4


def walk_jpeg(walk: Walk) -> Extent:
    """Require segments with a frame and a scan up to the end."""
    # An embedded thumbnail has an end marker too, but inside a segment, which is skipped.
    data, at, size, scans, in_scan = walk.data, 2, (0, 0), 0, False
    is_complex = False
    while found := _find_jpeg_marker(walk, at):
        if not in_scan and data[at] != 0xFF:
            raise BrokenError(f"has no segment at byte {at}")
        marker, at = found[1], found.end()
        if marker in (_JPEG_START, _JPEG_END):
            break
        if marker in JPEG_FRAMES:
            size = read_pair(">HH", data, at + 3)[::-1]
        in_scan = marker == _JPEG_SCAN
        scans += in_scan
        is_complex |= marker in _JPEG_COMPLEX
        at += unpack_from(">H", data, at)[0]
    if found and marker == _JPEG_END and scans:
        return Extent(at, size)
    # In files of several parts, lost bytes may leave no gap that a decoder notices.
    has_one_part = scans == 1 and not found and not is_complex
    raise CutOffError(len(data)) if has_one_part else BrokenError("is cut off")


def _find_jpeg_marker(walk: Walk, at: int) -> re.Match[bytes] | None:
    while at < len(walk.data):
        walk.step()
        # One byte more, for a marker across the border.
        if found := _JPEG_MARKER.search(walk.data, at, at + _SEARCH_BYTES + 1):
            return found
        at += _SEARCH_BYTES
    return None


def walk_gif(walk: Walk) -> Extent:
    """Require blocks with an image up to the trailer."""
    data, at, images = walk.data, 13 + _gif_palette_bytes(walk.data[10]), 0
    while (kind := data[at] if at < len(data) else None) != _GIF_END:
        walk.step()
        if kind not in (_GIF_IMAGE, _GIF_EXTENSION):
            # Viewers stop here and show the images so far.
            raise CutOffError(at) if images else BrokenError(f"has no block at byte {at}")
        images += kind == _GIF_IMAGE
        at += 11 + _gif_palette_bytes(data[at + 9]) if kind == _GIF_IMAGE else 2
        while length := data[at]:
            walk.step()
            at += 1 + length
        at += 1
    if not images:
        raise BrokenError("lacks an image")
    return Extent(at + 1, read_pair("<HH", data, 6))


def _gif_palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def walk_webp(walk: Walk) -> Extent:
    """Require chunks with an image up to the length in the header."""
    kinds: set[bytes] = set()
    data, at = walk.data, 12
    stated_end = unpack_from("<I", data, 4)[0] + 8
    while at + 8 <= len(data) and not (kinds and at >= stated_end):
        walk.step()
        kind, length = unpack_from("<4sI", data, at)
        is_image, end = kind in _WEBP_IMAGES, at + 8 + length
        if end > len(data):
            if is_image:
                raise BrokenError("is cut off")
            break
        if is_image:
            kinds.add(kind)
        at = end + length % 2
    if not kinds or (_WEBP_FRAME in kinds and stated_end > len(data)):
        raise BrokenError("is cut off")
    at = min(at, len(data))
    # Not every writer pads the last chunk.
    if not at - 1 <= stated_end <= at:
        raise CutOffError(at)
    return Extent(at, read_webp_size(data))


def read_webp_size(data: mmap | bytes) -> Size:
    """Return the size in the header."""
    if data[12:16] == b"VP8X":
        (bits,) = unpack_from("<Q", data, 23)
        return (bits >> 8 & 0xFFFFFF) + 1, (bits >> 32 & 0xFFFFFF) + 1
    if data[12:16] == b"VP8L" and data[20] == 0x2F:
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = read_pair("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BrokenError("does not begin with an image")
