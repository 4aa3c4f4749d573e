"""Walk the structure of each media format to check that a file is complete, and read its size.

Pillow is not used here: it accepts some truncated files, and to be sure it has to decode the
pixels, which costs seconds and hundreds of megabytes for a large or hostile image. These walkers
decode nothing, read a memory map, and take constant memory for any file. They also check videos.

Every function raises BrokenError, or IndexError or struct.error where the bytes end too early.
"""

from __future__ import annotations

import re
import zlib
from math import prod
from mmap import mmap
from struct import unpack_from

Size = tuple[int, int]

# Not markers: a stuffed byte, TEM, the restarts, and a fill byte.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xd8", b"\xd9", b"\xda"
_JPEG_FRAMES = {b"\xc0", b"\xc1", b"\xc2", b"\xc9", b"\xca"}  # those that libjpeg decodes
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_WEBP_IMAGES = {b"VP8 ", b"VP8L", b"ANMF"}
_AVIF_SIZE = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)


class BrokenError(Exception):
    """The file is incomplete or invalid; the message continues a sentence after the format."""


def walk_png(data: mmap) -> Size:
    """Require chunks with valid checksums from IHDR to IEND, pixel data, and nothing after."""
    at, kind, pixels = 8, b"", False
    with memoryview(data) as view:  # a chunk may be as large as the file, so it is not copied
        while kind != b"IEND":
            length, kind = unpack_from(">I4s", data, at)
            end = at + 8 + length
            (checksum,) = unpack_from(">I", data, end)
            if zlib.crc32(view[at + 4 : end]) != checksum:
                raise BrokenError(f"has a wrong checksum at byte {end}")
            pixels |= kind == b"IDAT"
            at = end + 4
    if data[8:16] != b"\0\0\0\x0dIHDR" or not pixels or at != len(data):
        raise BrokenError("lacks its header or pixels, or has bytes after its end")
    return _read_pair(">II", data, 16)


def walk_jpeg(data: mmap) -> Size:
    """Require segments with a frame and a scan up to the end; any bytes may follow, as many do."""
    # An embedded thumbnail has an end marker too, but inside a segment, which is skipped.
    at, size, scans, in_scan = 2, (0, 0), 0, False
    while found := _JPEG_MARKER.search(data, at):
        if not in_scan and data[at] != 0xFF:
            raise BrokenError(f"has no segment at byte {at}")
        marker, at = found[1], found.end()
        if marker in (_JPEG_START, _JPEG_END):
            break
        if marker in _JPEG_FRAMES:
            size = _read_pair(">HH", data, at + 3)[::-1]
        in_scan = marker == _JPEG_SCAN
        scans += in_scan
        at += unpack_from(">H", data, at)[0]
    if not found or marker != _JPEG_END or not scans:
        raise BrokenError("is cut off")
    return size


def walk_gif(data: mmap) -> Size:
    """Require blocks with an image up to the trailer, and nothing after."""
    at, images = 13 + _gif_palette_bytes(data[10]), 0
    while (kind := data[at]) != _GIF_END:
        if kind not in (_GIF_IMAGE, _GIF_EXTENSION):
            raise BrokenError(f"has no block at byte {at}")
        images += kind == _GIF_IMAGE
        at += 11 + _gif_palette_bytes(data[at + 9]) if kind == _GIF_IMAGE else 2
        while length := data[at]:
            at += 1 + length
        at += 1
    if not images or at + 1 != len(data):
        raise BrokenError("lacks an image, or has bytes after its end")
    return _read_pair("<HH", data, 6)


def _gif_palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def walk_webp(data: mmap) -> Size:
    """Require chunks that fill the file and the length in its header, with an image."""
    at, images = 12, 0
    if unpack_from("<I", data, 4)[0] != len(data) - 8:
        raise BrokenError("is cut off, or has bytes after its end")
    while at < len(data):
        kind, length = unpack_from("<4sI", data, at)
        images += kind in _WEBP_IMAGES
        at += 8 + length + length % 2
    # Not every writer pads the last chunk.
    if not images or at > len(data) + 1:
        raise BrokenError("lacks an image, or a chunk is cut off")
    return _read_webp_size(data)


def _read_webp_size(data: mmap) -> Size:
    if data[12:16] == b"VP8X":
        (bits,) = unpack_from("<Q", data, 23)
        return (bits >> 8 & 0xFFFFFF) + 1, (bits >> 32 & 0xFFFFFF) + 1
    if data[12:16] == b"VP8L" and data[20] == 0x2F:
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = _read_pair("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BrokenError("does not begin with an image")


def walk_avif(data: mmap) -> Size:
    """Require boxes with metadata; the largest item is the image, others its tiles or alpha."""
    found = _AVIF_SIZE.findall(data, *_find_box(b"meta", data))
    return max((_read_pair(">II", each) for each in found), key=prod, default=(0, 0))


def walk_mp4(data: mmap) -> None:
    """Require boxes with the movie's metadata; its size is not read."""
    _find_box(b"moov", data)


def _find_box(wanted: bytes, data: mmap) -> Size:
    """Return where a box starts and ends, if boxes fill the file and one holds the frames."""
    at, spans = 0, {}
    while at < len(data):
        length, kind = unpack_from(">I4s", data, at)
        if length == 1:  # the length follows in 64 bits
            (length,) = unpack_from(">Q", data, at + 8)
        elif length == 0:  # the last box reaches to the end
            length = len(data) - at
        if length < 8 or at + length > len(data):
            raise BrokenError("is cut off")
        if kind in (wanted, b"mdat"):
            spans[kind] = at, at + length
        at += length
    if len(spans) < 2:
        raise BrokenError("is cut off")
    return spans[wanted]


def _read_pair(layout: str, data: mmap | bytes, at: int = 0) -> Size:
    first, second = unpack_from(layout, data, at)
    return first, second
