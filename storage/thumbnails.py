"""Draw thumbnails of saved images, in bounded memory."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO

from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
JPEG_FORMATS = ("JPEG", "MPO")
QUALITY = 75
# WebP takes 16 bytes for a pixel, which is the most: 270 MB for 4096 x 4096.
MAX_PIXELS = 4096 * 4096
# Pillow decodes a JPEG at an eighth of its size: 150 MB for so many pixels.
MAX_JPEG_PIXELS = 50_000_000
SMALL_PIXELS = 4_000_000
_slots = BoundedSemaphore(2)
# Of the larger ones, one at a time.
_large_slot = BoundedSemaphore(1)


class NoThumbnailError(ValueError):
    """The file is a video, invalid, or too large to draw."""


def make_thumbnail(path: Path, target: Path, px: int = 320) -> None:
    """Draw the first frame, upright, into a WebP with at most `px` pixels on its longer side.

    Raises NoThumbnailError, or OSError if `target` cannot be written.
    """
    with _slots, path.open("rb") as file:
        # Pillow documents no base class for the errors of its decoders.
        try:
            thumbnail = _draw(file, px)
        except Exception as error:
            raise NoThumbnailError(f"no thumbnail of {path.name}: {error}") from error
        # Pillow writes only the metadata it is given, and it is given none.
        thumbnail.save(target, "WEBP", quality=QUALITY)


def _draw(file: IO[bytes], px: int) -> Image.Image:
    image: Image.Image = Image.open(file, formats=FORMATS)  # reads the header only
    pixels = image.width * image.height
    if pixels > (MAX_JPEG_PIXELS if image.format in JPEG_FORMATS else MAX_PIXELS):
        raise NoThumbnailError(f"{image.width} x {image.height} pixels are too many")
    with _large_slot if pixels > SMALL_PIXELS else nullcontext():
        return _decode(image, px)


def _decode(image: Image.Image, px: int) -> Image.Image:
    mode = "RGBA" if image.has_transparency_data else "RGB"
    # Palette colours cannot be scaled. A JPEG has none, and Pillow decodes it at reduced size.
    if image.format not in JPEG_FORMATS and image.mode != mode:
        image = image.convert(mode)
    image.thumbnail((px, px))
    image.load()
    with suppress(Exception):  # invalid EXIF is no reason to show nothing
        ImageOps.exif_transpose(image, in_place=True)
    return image
