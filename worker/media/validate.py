"""What a file really is: told by its bytes, and refused unless it is whole."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from typing import BinaryIO, NamedTuple

from .formats import BrokenError, Size, avif, gif, jpeg, mp4, png, webp

# Decoded, it takes four bytes each; whoever shows the picture has to be able to.
MAX_PIXELS = 100_000_000
HEAD_BYTES = 1024


class NotMediaError(Exception):
    """The bytes are no whole image or video; the message says what they are instead."""


class Media(NamedTuple):
    """A verified image or video; a video's size is not read."""

    content_type: str
    extension: str
    width: int | None = None
    height: int | None = None


class Format(NamedTuple):
    """How a file begins, and the function that walks the rest of it."""

    name: str
    magic: bytes
    walk: Callable[[mmap], Size | None]
    media: Media


FORMATS = (
    Format("PNG", rb"\x89PNG\r\n\x1a\n", png, Media("image/png", "png")),
    Format("JPEG", rb"\xff\xd8\xff", jpeg, Media("image/jpeg", "jpg")),
    Format("WebP", rb"RIFF....WEBP", webp, Media("image/webp", "webp")),
    Format("GIF", rb"GIF8[79]a", gif, Media("image/gif", "gif")),
    # Among the brands: the first may be that of any image in this kind of file.
    Format("AVIF", rb"....ftyp(....){0,16}?avi[fs]", avif, Media("image/avif", "avif")),
    Format("MP4", rb"....ftyp(?!he[iv]|mif1|msf1)", mp4, Media("video/mp4", "mp4")),
)
# What hosts send instead of a picture, and pictures that are not taken; the first that fits.
OTHERS = (
    (rb"(?i)\s*(<\?xml.*|<!doctype svg.*)?<svg", "an SVG image"),
    (rb"\s*<\?xml", "an XML document"),
    (rb"\s*<", "a web page"),
    (rb"\s*[{\[]\s*[\"{\[\]}]", "JSON"),
    (rb"....ftyp", "a HEIC image"),
    (rb"II\*\0|MM\0\*", "a TIFF image"),
    (rb"BM....\0\0\0\0", "a BMP image"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL image"),
    (rb"\x1a\x45\xdf\xa3", "a WebM video"),
    (rb"%PDF-", "a PDF"),
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"[^\0-\x08\x0e-\x1f]+\Z", "text"),
    (rb"", "no known image or video"),
)


def validate_media(file: BinaryIO) -> Media:
    """Walk the structure of an open file without decoding it; raises NotMediaError."""
    descriptor = file.fileno()
    try:
        mapped = mmap(descriptor, 0, access=ACCESS_READ)
    except ValueError:  # no other file is refused so
        raise NotMediaError("the file is empty") from None
    with mapped:
        return _examined(mapped)


def _examined(data: mmap) -> Media:
    head = data[:HEAD_BYTES]
    for form in FORMATS:
        if _begins(head, form.magic):
            return _walked(form, data)
    text = head.removeprefix(b"\xef\xbb\xbf")
    kind = next(name for magic, name in OTHERS if _begins(text, magic))
    raise NotMediaError(f"the file is {kind}")


def _begins(head: bytes, magic: bytes) -> bool:
    return re.match(magic, head, re.DOTALL) is not None


def _walked(form: Format, data: mmap) -> Media:
    try:
        size = form.walk(data)
    except BrokenError as error:
        raise NotMediaError(f"the {form.name} {error}") from None
    except (IndexError, struct.error):
        raise NotMediaError(f"the {form.name} is cut off") from None
    if size is None:
        return form.media
    width, height = size
    if not 0 < width * height <= MAX_PIXELS:
        raise NotMediaError(f"the {form.name} has {width} x {height} pixels")
    return form.media._replace(width=width, height=height)
