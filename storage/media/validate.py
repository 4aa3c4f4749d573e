"""Find out what a file is by its bytes, and reject it unless it is a complete image or video.

A file is complete if it has every pixel that viewers show. Bytes behind the end are accepted.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from typing import BinaryIO, NamedTuple

from .boxes import walk_avif, walk_mp4
from .decode import read_decoded_size
from .formats import walk_gif, walk_jpeg, walk_png, walk_webp
from .walk import BrokenError, CutOffError, Extent, Walk
from .webm import walk_webm

# A viewer needs four bytes for each pixel once the image is decoded.
MAX_PIXELS = 100_000_000
HEAD_BYTES = 1024


class NotMediaError(Exception):
    """The file is not a complete image or video; the message says what it is instead."""


class UnsupportedMediaError(NotMediaError):
    """The file is complete and cannot be saved; another download would not change that."""


class UnsupportedImageError(UnsupportedMediaError):
    """The file is an image of a kind that cannot be saved."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the file is {kind}")
        self.kind = kind


class Media(NamedTuple):
    """A validated image or video; the size of a video is not read."""

    content_type: str
    extension: str
    width: int | None = None
    height: int | None = None
    ignored_bytes: int = 0
    """How many bytes stand behind the end of the image, where no viewer looks."""


class Format(NamedTuple):
    """How a file of a format begins, and the function that walks the rest of it."""

    name: str
    magic: bytes
    walk: Callable[[Walk], Extent]
    media: Media


WEBM = Media("video/webm", "webm")
FORMATS = (
    Format("PNG", rb"\x89PNG\r\n\x1a\n", walk_png, Media("image/png", "png")),
    Format("JPEG", rb"\xff\xd8\xff", walk_jpeg, Media("image/jpeg", "jpg")),
    Format("WebP", rb"RIFF....WEBP", walk_webp, Media("image/webp", "webp")),
    Format("GIF", rb"GIF8[79]a", walk_gif, Media("image/gif", "gif")),
    # AVIF may stand anywhere among the brands: the first one is often a generic one.
    Format("AVIF", rb"....ftyp(....){0,16}?avi[fs]", walk_avif, Media("image/avif", "avif")),
    # Apple's form of MP4; older files begin with the movie or its frames.
    Format(
        "QuickTime",
        rb"....ftypqt  |[\0-\x1f]...(moov|mdat|wide)",
        walk_mp4,
        Media("video/quicktime", "mov"),
    ),
    Format("MP4", rb"....ftyp(?!he[iv]|mif1|msf1)", walk_mp4, Media("video/mp4", "mp4")),
    Format("WebM", rb"\x1a\x45\xdf\xa3.{0,48}?\x42\x82\x84webm", walk_webm, WEBM),
)
# What hosts send instead of an image, perhaps for a while. The first match counts.
OTHER_KINDS = (
    (rb"\s*<\?xml", "an XML document"),
    (rb"\s*<", "a web page"),
    (rb"\s*[{\[]\s*[\"{\[\]}]", "JSON"),
    (rb"[^\0-\x08\x0e-\x1f]+\Z", "text"),
    (rb"", "no known image or video"),
)
UNSUPPORTED_IMAGES = (
    (rb"(?i)\s*(<\?xml.*|<!doctype svg.*)?<svg", "an SVG image"),
    (rb"....ftyp", "a HEIC image"),
    (rb"II\*\0|MM\0\*", "a TIFF image"),
    (rb"BM....\0\0\0\0", "a BMP image"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL image"),
)
UNSUPPORTED_KINDS = (
    (rb"\x1a\x45\xdf\xa3", "a Matroska video"),
    (rb"%PDF-", "a PDF"),
    (rb"PK\x03\x04", "a ZIP archive"),
)


def _do_nothing() -> None:
    """Nobody waits for this walk."""


def validate_media(file: BinaryIO, tick: Callable[[], None] = _do_nothing) -> Media:
    """Return what an open file is, from its structure; calls `tick` now and then.

    Raises NotMediaError, and unchanged what `tick` raises.
    """
    descriptor = file.fileno()
    try:
        mapped = mmap(descriptor, 0, access=ACCESS_READ)
    except ValueError:  # only an empty file raises this
        raise NotMediaError("the file is empty") from None
    with mapped:
        return _identify(mapped, tick)


def _identify(data: mmap, tick: Callable[[], None]) -> Media:
    return _walk(find_format(data[:HEAD_BYTES]), Walk(data, tick))


def find_format(head: bytes) -> Format:
    """Return the format of a file by its first HEAD_BYTES; raises NotMediaError."""
    for form in FORMATS:
        if _starts_with(head, form.magic):
            return form
    text = head.removeprefix(b"\xef\xbb\xbf")
    for magic, kind in UNSUPPORTED_IMAGES:
        if _starts_with(text, magic):
            raise UnsupportedImageError(kind)
    for kinds, error in ((UNSUPPORTED_KINDS, UnsupportedMediaError), (OTHER_KINDS, NotMediaError)):
        for magic, kind in kinds:
            if _starts_with(text, magic):
                raise error(f"the file is {kind}")
    raise AssertionError("the last kind matches everything")


def _starts_with(head: bytes, magic: bytes) -> bool:
    return re.match(magic, head, re.DOTALL) is not None


def _walk(form: Format, walk: Walk) -> Media:
    length = len(walk.data)
    try:
        end, size = form.walk(walk)
    except CutOffError as error:
        walk.tick()
        end, size = error.end, read_decoded_size(walk.data, form.name, error.end)
        if size is None:
            raise NotMediaError(f"the {form.name} {error}") from None
    except BrokenError as error:
        raise NotMediaError(f"the {form.name} {error}") from None
    except (IndexError, struct.error):
        raise NotMediaError(f"the {form.name} is cut off") from None
    media = form.media._replace(ignored_bytes=length - end)
    if size is None:
        return media
    width, height = size
    if not 0 < width * height <= MAX_PIXELS:
        raise UnsupportedMediaError(f"the {form.name} has {width} x {height} pixels")
    return media._replace(width=width, height=height)
