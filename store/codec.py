"""A job as bytes in Redis: compact JSON without the fields that have their default value.

The revision comes first, so that Lua scripts can read it without decoding the rest. `v` is the
version of this format: 3 added `account_key`, `fallback` and the reason `unsaved`, 4 replaced the
`uri` of an image by its `name` in the storage, 5 moved the origins out of `images` and added
`result_id` and `image_name`, and a record without `v` is of version 1. Times are integer
milliseconds since the epoch. History entries are `[time, state, cause]`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from redis.exceptions import ResponseError

from ..errors import NewerRecordError, UnknownJobError, UnreadableJobError
from ..jobs.image import Image, find_image_name, to_image_uri
from ..jobs.job import Job

VERSION = 5
"""Raise it with every change that an older process would not understand or would drop."""

_RENAMED = {"revision": "rev", "changes": "log"}
_ORIGINAL = {short: name for name, short in _RENAMED.items()}


def dump(job: Job) -> bytes:
    """Return the record of a job."""
    record = {"rev": job.revision, "v": VERSION, **_to_fields(job)}
    return _json.encode(record).encode()


def load(job_id: str, record: bytes, images_url: str) -> Job:
    """Return the job of a record, which may be one of an earlier version.

    Its images are where the storage at `images_url` has them; if that is empty, at their names.
    Raises UnreadableJobError, or NewerRecordError for a record of a later version.
    """
    try:
        fields = json.loads(record)
        if (version := fields.pop("v", 1)) > VERSION:
            raise NewerRecordError(
                job_id, f"version {version} wrote it, this process reads {VERSION}: update it"
            )
        _split_origins(fields)
        for image in (*fields.get("images", ()), *fields.get("origins", ())):
            if name := image.get("name") or find_image_name(image.get("uri") or ""):
                image |= {"name": name, "uri": to_image_uri(images_url, name)}
        if fields["id"] != job_id:
            raise ValueError("it is the record of another job")
        if rb"\ud" in record.lower():  # perhaps half a surrogate pair, which nothing can serialize
            fields = json.loads(json.dumps(fields, ensure_ascii=False).encode(errors="replace"))
        return Job.model_validate({_ORIGINAL.get(k, k): v for k, v in fields.items()})
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # pydantic's message would quote the record.
        why = f"it is damaged ({type(error).__name__}); restore it, or delete its key"
        raise UnreadableJobError(job_id, why) from None


def _split_origins(fields: dict[str, Any]) -> None:
    """Give the origins a field of their own: earlier records have them among the images."""
    images = fields.get("images", ())
    if origins := [each for each in images if each.get("kind") == "origin"]:
        fields["images"] = [each for each in images if each.get("kind") != "origin"]
        fields["origins"] = origins


def load_visible(
    job_id: str, record: bytes | None, submitted_by: str | None, images_url: str
) -> Job:
    """Return the job of a record; raises UnknownJobError without one.

    With `submitted_by`, the jobs of other callers are unknown too.
    """
    job = load(job_id, record, images_url) if record is not None else None
    if job is None or submitted_by not in (None, job.submitted_by):
        raise UnknownJobError(job_id)
    return job


@contextmanager
def reading(job_id: str) -> Iterator[None]:
    """Turn Redis's refusal to read a key that has another type into UnreadableJobError."""
    try:
        yield
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        raise UnreadableJobError(job_id, "its key has another type; delete it") from None


def _to_fields(value: BaseModel) -> dict[str, Any]:
    content = value.__dict__
    fields = {
        short: content[name]
        for name, short, default in _names(type(value))
        if content[name] != default and content[name] not in _EMPTY
    }
    if isinstance(value, Image) and value.name:
        fields.pop("uri", None)  # the storage may be moved
    return fields


_EMPTY: tuple[Any, ...] = ((), {}, None)


@functools.cache
def _names(kind: type[BaseModel]) -> list[tuple[str, str, Any]]:
    """Return each field's name, its name in a record, and its default.

    The default of a required field equals no value.
    """
    return [
        (name, _RENAMED.get(name, name), object() if field.is_required() else field.default)
        for name, field in kind.model_fields.items()
    ]


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, BaseModel):
        return _to_fields(value)
    raise TypeError(f"a record cannot hold a {type(value).__name__}")


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_encode)
