"""Thumbnails: drawn by whoever shows a saved picture, in bounded memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO

from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
QUALITY = 75
# Decoded, a pixel takes four bytes, and eight while its mode is converted.
MAX_PIXELS = 50_000_000
_slots = BoundedSemaphore(2)


class NoThumbnailError(ValueError):
    """The file is a video, broken, or too large to be drawn."""


def make_thumbnail(path: Path, target: Path, px: int = 320) -> None:
    """Draw a picture's first frame upright into a WebP of at most `px` on its longer side."""
    with _slots, path.open("rb") as file:
        # Pillow names no error that all its decoders stay within when data is broken.
        try:
            thumbnail = _drawn(file, px)
        except Exception as error:
            raise NoThumbnailError(f"no thumbnail of {path.name}: {error}") from error
        # Metadata is written only where it is given: none is.
        thumbnail.save(target, "WEBP", quality=QUALITY)


def _drawn(file: IO[bytes], px: int) -> Image.Image:
    image: Image.Image = Image.open(file, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise NoThumbnailError(f"{image.width} x {image.height} pixels")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    # Colours by number cannot be mixed. A JPEG has none, and is decoded at a fraction of its size.
    if image.format not in ("JPEG", "MPO") and image.mode != mode:
        image = image.convert(mode)
    image.thumbnail((px, px))
    image.load()
    with suppress(Exception):  # broken EXIF is no reason to show nothing
        ImageOps.exif_transpose(image, in_place=True)
    return image
