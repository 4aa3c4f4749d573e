"""What an idempotency key stands for: one request of one caller, however often it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ..jobs.idempotency import IdempotencyKey, once
from ..providers.request import parse
from .uploads import Picture, UnresolvedRequest


def once_of(key: str, fields: Mapping[str, Any], caller: str) -> IdempotencyKey:
    """A caller's key for one request, whether or not its defaults are written out."""
    return once(key, parse(fields).model_dump(exclude_defaults=True), caller)


def batch_onces(key: str, items: Sequence[Mapping[str, Any]], caller: str) -> list[IdempotencyKey]:
    """Keys for the items of a batch that has one: each for its place in this very batch."""
    whole = once(key, {"items": items}, caller)
    return [IdempotencyKey(f"{whole.key}/{index}", whole.digest) for index in range(len(items))]


def described(draft: UnresolvedRequest) -> dict[str, Any]:
    """A request with its files named by what is in them: each upload has a URL of its own."""
    urls = [_content(each) if isinstance(each, Picture) else each for each in draft.images]
    return {**draft.fields, "image_urls": urls}


def _content(picture: Picture) -> str:
    return f"sha256:{hashlib.sha256(picture.path.read_bytes()).hexdigest()}"
