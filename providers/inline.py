"""Images that a response holds itself, as base64 or as a `data:` URL."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator

from .parsing import decode, to_object, to_text
from .wire import INLINE, InlineImage

MAX_RESPONSE_BYTES_WITH_IMAGES = 128 * 1024 * 1024
"""What a response holds at most that may have the images themselves."""

_FROM_URL_ALPHABET = str.maketrans("-_", "+/")


def find_inline_images(data: object) -> Iterator[InlineImage]:
    """Yield the images in `[{"b64_json": …}, {"url": "data:image/png;base64,…"}]`."""
    items = decode(data)
    for item in items if isinstance(items, list) else [items]:
        fields = to_object(item)
        encoded = to_text(fields.get("b64_json"))
        url = to_text(fields.get("url"))
        if not encoded and url.startswith("data:"):
            encoded = url
        if content := _decode(encoded):
            digest = hashlib.sha256(content).hexdigest()
            yield InlineImage(url=f"{INLINE}{digest}", content=content)


def _decode(text: str) -> bytes:
    """Return the bytes in base64, perhaps behind the head of a URL; empty if there are none."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    packed = "".join(text.split()).translate(_FROM_URL_ALPHABET)
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
