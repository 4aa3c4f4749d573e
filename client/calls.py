"""The requests that the operations send, as values."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
PAGE = 200
MAX_IDS = 200
"""How many jobs one request reads by their ids."""
MAX_CHUNK = 500


class Call(NamedTuple):
    """One request to the API."""

    method: str
    path: str
    params: Mapping[str, Any] = {}
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    is_repeatable: bool = True
    """Whether sending it twice does the same as sending it once."""


def make_key() -> str:
    """Return a new idempotency key."""
    return uuid.uuid4().hex


def submit(request: Mapping[str, Any], idempotency_key: str) -> Call:
    """Submit one job."""
    headers = {"Content-Type": JSON, "Idempotency-Key": idempotency_key}
    return Call("POST", "/v1/jobs", body=dump(request), headers=headers)


def submit_chunk(lines: Sequence[bytes], on_error: str, idempotency_key: str) -> Call:
    """Submit a batch; its repetition with the same key returns the same jobs."""
    headers = {"Content-Type": JSON_LINES, "Idempotency-Key": idempotency_key}
    body = b"\n".join(lines)
    return Call("POST", "/v1/batches", {"on_error": on_error}, body, headers)


def get(job_id: str) -> Call:
    """Read one job."""
    return Call("GET", f"/v1/jobs/{quote(job_id)}")


def get_many(job_ids: Sequence[str]) -> Call:
    """Read up to MAX_IDS jobs; unknown ones are left out."""
    return Call("GET", "/v1/jobs", {"id": list(job_ids), "limit": MAX_IDS})


def list_page(state: str | None, provider: str | None, limit: int, cursor: str | None) -> Call:
    """Read one page of jobs."""
    given = {"state": state, "provider": provider, "limit": limit, "cursor": cursor}
    return Call("GET", "/v1/jobs", {name: each for name, each in given.items() if each is not None})


def act(action: str, job_id: str, options: Mapping[str, Any] | None = None) -> Call:
    """Cancel, retry or acknowledge a job; a repetition might do more than was asked for."""
    body = dump(options) if options else None
    headers = {"Content-Type": JSON} if options else {}
    path = f"/v1/jobs/{quote(job_id)}/{action}"
    return Call("POST", path, body=body, headers=headers, is_repeatable=False)


def get_batch(batch_id: str) -> Call:
    """Read the progress of a batch."""
    return Call("GET", f"/v1/batches/{quote(batch_id)}")


def list_batches(limit: int, cursor: str | None) -> Call:
    """Read one page of batches."""
    given = {"limit": limit, **({"cursor": cursor} if cursor else {})}
    return Call("GET", "/v1/batches", given)


def upload(data: bytes) -> Call:
    """Store an image."""
    headers = {"Content-Type": "application/octet-stream"}
    return Call("POST", "/v1/uploads", body=data, headers=headers)


def list_providers() -> Call:
    """List the providers."""
    return Call("GET", "/v1/providers")


def read_image(job_id: str, index: int) -> Call:
    """Read a saved image."""
    return Call("GET", f"/v1/jobs/{quote(job_id)}/images/{index}")


def follow(after: str) -> Call:
    """Follow the changes of all jobs, after an event or from now on."""
    headers = {"Last-Event-ID": after} if after else {}
    return Call("GET", "/v1/events", headers={"Accept": "text/event-stream", **headers})


def quote(name: str) -> str:
    """Return an id as a part of a path."""
    from urllib.parse import quote as quote_part

    # A path of dots alone would lead to another endpoint.
    return quote_part(name, safe="").replace(".", "%2E") or "-"


def dump(value: object) -> bytes:
    """Return JSON."""
    return msgspec.json.encode(value, enc_hook=_dump_other)


def _dump_other(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON: give texts, numbers, lists and dicts")


def split(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Split what may be endless into lists of at most `size`."""
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
