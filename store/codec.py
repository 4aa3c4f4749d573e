"""A job as bytes in Redis: compact JSON without the fields that have their default value.

The revision comes first, so that Lua scripts can read it without decoding the rest. Times are
integer milliseconds since the epoch. History entries are `[time, state, cause]`.
"""

from __future__ import annotations

import functools
import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from ..errors import UnknownJobError
from ..jobs.job import Job

_RENAMED = {"revision": "rev", "changes": "log"}
_ORIGINAL = {short: name for name, short in _RENAMED.items()}


def dump(job: Job) -> bytes:
    """Return the record of a job."""
    record = {"rev": job.revision, **_fields(job)}
    return _json.encode(record).encode()


def load(record: bytes) -> Job:
    """Return the job of a record, which may be one of an earlier version."""
    return Job.model_validate({_ORIGINAL.get(k, k): v for k, v in json.loads(record).items()})


def load_visible(job_id: str, record: bytes | None, submitted_by: str | None) -> Job:
    """Return the job of a record; raises UnknownJobError without one.

    With `submitted_by`, the jobs of other callers are unknown too.
    """
    job = load(record) if record is not None else None
    if job is None or submitted_by not in (None, job.submitted_by):
        raise UnknownJobError(job_id)
    return job


def _fields(value: BaseModel) -> dict[str, Any]:
    content = value.__dict__
    return {
        short: content[name]
        for name, short, default in _names(type(value))
        if content[name] != default and content[name] not in _EMPTY
    }


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
        return _fields(value)
    raise TypeError(f"a record cannot hold a {type(value).__name__}")


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_encode)
