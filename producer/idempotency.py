"""Idempotency keys of requests and batches: the digest of a request identifies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..jobs.idempotency import IdempotencyKey, build_idempotency_key
from .uploads import ImageFile
from .validation import Fields, ValidRequest

FINGERPRINT_LENGTH = 32


def request_key(key: str, valid: ValidRequest, caller: str) -> IdempotencyKey:
    """Return a caller's key for one request; fields that hold their default do not count."""
    request = valid.request.model_copy(update=_image_digests(valid))
    return build_idempotency_key(key, request.model_dump(exclude_defaults=True), caller)


def build_fingerprint(valid: ValidRequest) -> str:
    """Return the digest of what the images of a request depend on, and of who sent it."""
    fields = {"provider", "action", "prompt", "image_urls", "params"}
    request = valid.request.model_copy(update=_image_digests(valid))
    canonical = json.dumps(
        [valid.job.submitted_by, request.model_dump(include=fields)], sort_keys=True
    )
    return hashlib.sha256(canonical.encode(errors="replace")).hexdigest()[:FINGERPRINT_LENGTH]


def batch_key(
    key: str, items: Sequence[Any], valid: Sequence[ValidRequest], caller: str
) -> IdempotencyKey:
    """Return a caller's key for a whole batch."""
    fields: dict[int, Fields] = {each.index: _described_fields(each) for each in valid}
    # Reading an item may parse it, so only the refused ones are read again.
    described = [fields[index] if index in fields else items[index] for index in range(len(items))]
    return build_idempotency_key(key, {"items": described}, caller)


def place_key(whole: IdempotencyKey, place: int | str) -> IdempotencyKey:
    """Return the key of one place in this very batch."""
    return IdempotencyKey(f"{whole.key}/{place}", whole.digest)


def _described_fields(valid: ValidRequest) -> Mapping[str, Any]:
    return {**valid.fields, **_image_digests(valid)}


def _image_digests(valid: ValidRequest) -> dict[str, Any]:
    """Name files by their content, because each upload gets a URL or an id of its own."""
    if not (valid.images or valid.digests):
        return {}
    images, uploads = valid.images or valid.request.image_urls, valid.digests
    digests: dict[str, Any] = {"image_urls": tuple(_digest(each, uploads) for each in images)}
    params = valid.request.params
    if named := {
        name: uploads[each]
        for name, each in params.items()
        if isinstance(each, str) and each in uploads
    }:
        digests["params"] = {**params, **named}
    return digests


def _digest(image: str | ImageFile, uploads: Mapping[str, str]) -> str:
    if isinstance(image, str):
        return uploads.get(image, image)
    return f"sha256:{hashlib.sha256(image.path.read_bytes()).hexdigest()}"
