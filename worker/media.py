"""What a file really is: told by its bytes, and refused unless it is whole and can be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}
# Decoded, it takes four bytes each. Pillow's own bound warns first, and warnings are global.
MOST_PIXELS = 100_000_000
Image.MAX_IMAGE_PIXELS = None


class NotMediaError(Exception):
    """The bytes are no whole image or video; the message says what they are instead."""


class Media(NamedTuple):
    """A verified image or video; a video's size is not read."""

    content_type: str
    extension: str
    width: int | None = None
    height: int | None = None


def examine(path: Path) -> Media:
    """Decode an image whole, or walk a video's boxes; raises NotMediaError."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[4:8] == b"ftyp":
        return _examine_mp4(path)
    return _examine_image(path, head)


def _examine_image(path: Path, head: bytes) -> Media:
    try:
        with Image.open(path, formats=tuple(FORMATS)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise NotMediaError(f"the image has over {MOST_PIXELS} pixels")
            image.load()
            content_type, extension = FORMATS[image.format or ""]
            return Media(content_type, extension, image.width, image.height)
    except UnidentifiedImageError:
        kind = "a web page" if head.lstrip()[:1] == b"<" else "no image or video"
        raise NotMediaError(f"the file is {kind}") from None
    # Pillow's decoders raise these, and a few of their own, on broken data.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise NotMediaError(f"the image is broken: {error}") from None


def _examine_mp4(path: Path) -> Media:
    """A whole MP4 is boxes that fill the file exactly, the movie's description among them."""
    if b"moov" not in set(_boxes(path)):
        raise NotMediaError("the video has no movie box: it is cut off")
    return Media("video/mp4", "mp4")


def _boxes(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4])
            if length == 1:  # the size follows in 64 bits
                length = int.from_bytes(head[8:16])
            elif length == 0:  # the last box reaches to the end
                length = size - at
            if len(head) < 8 or length < 8 or at + length > size:
                raise NotMediaError("the video is cut off")
            yield head[4:8]
            at += length
