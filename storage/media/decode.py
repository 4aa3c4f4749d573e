"""Decode an image whose parts do not fit, to learn whether all of its pixels are there."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from mmap import mmap
from struct import pack
from threading import Lock

from .walk import Size

# Decoding takes three bytes a pixel or more, so only one image is decoded at a time.
MAX_DECODED_PIXELS = 25_000_000
MAX_DECODED_BYTES = 64 * 1024 * 1024
# A decoder takes whatever follows for missing pixels, and needs an end marker behind it.
_JPEG_PADDINGS = tuple(bits * 64 + b"\xff\xd9" for bits in (b"\0", b"\xff\0", b"\xaa"))
_lock = Lock()


def read_decoded_size(data: mmap, name: str, end: int) -> Size | None:
    """Return the size of the image up to `end` if a decoder finds all of its pixels, else None."""
    if name == "MP4" or len(data) > MAX_DECODED_BYTES:
        return None
    with _lock:
        try:
            results = {_decode(repaired, name) for repaired in _repair(data, name, end)}
        except Exception:  # Pillow documents no base class for the errors of its decoders
            return None
    # A JPEG is complete if it decodes alike whatever follows its last byte.
    return results.pop()[0] if len(results) == 1 else None


def _repair(data: mmap, name: str, end: int) -> Iterator[bytes]:
    """Yield the file with what decoders insist on and viewers do without."""
    if name == "JPEG":
        scan = data[:].rstrip(b"\xff")
        yield from (scan + padding for padding in _JPEG_PADDINGS)
    elif name == "WebP":
        yield b"RIFF" + pack("<I", end - 8) + data[8:end]
    else:
        yield data[:]


def _decode(data: bytes, name: str) -> tuple[Size, int]:
    """Return the size of an image, and a hash of the pixels of all its frames."""
    from PIL import Image  # imported late: hardly any worker ever needs it

    with Image.open(BytesIO(data), formats=(name,)) as image:
        frames, size = getattr(image, "n_frames", 1), image.size
        if size[0] * size[1] * frames > MAX_DECODED_PIXELS:
            raise ValueError("the image is too large")
        digest = 0
        for frame in range(frames):
            image.seek(frame)
            digest = hash((digest, image.tobytes()))
        return size, digest
