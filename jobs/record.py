"""A job as the bytes that Redis keeps: compact JSON that leaves out whatever is at its default.

The revision comes first, where the Lua scripts read it without decoding the rest. Times are
integer milliseconds since the epoch. History entries are `[time, state, cause]`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from .job import Job

_RENAMED = {"revision": "rev", "changes": "log"}
_ORIGINAL = {short: name for name, short in _RENAMED.items()}


def dump(job: Job) -> bytes:
    """The record of a job."""
    record = {"rev": job.revision, **{_RENAMED.get(k, k): v for k, v in _fields(job).items()}}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=_encode).encode()


def load(record: bytes) -> Job:
    """The job of a record."""
    return Job.model_validate({_ORIGINAL.get(k, k): v for k, v in json.loads(record).items()})


def _fields(value: BaseModel) -> dict[str, Any]:
    fields = type(value).model_fields
    return {
        name: content
        for name, content in value.__dict__.items()
        if fields[name].is_required() or content != fields[name].default
        if content not in ((), {}, None)
    }


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, BaseModel):
        return _fields(value)
    raise TypeError(f"a record holds no {type(value).__name__}")
