"""A job as it was read from Redis, on its way to the archive."""

from __future__ import annotations

from typing import NamedTuple

from .job import Job


class Snapshot(NamedTuple):
    """A job, and the record that it was read from."""

    job: Job
    record: bytes
    read_at: int
    """By Redis's clock, in microseconds; a later reading is never replaced by an earlier one."""
