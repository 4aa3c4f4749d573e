"""Every key this queue keeps in Redis; short, because each job pays for its own."""

from __future__ import annotations

from ..config.queues import Queue
from .job import State

RETENTION = "iq:retention"
"""Sorted set of resting jobs by the time their records are removed."""


STARTS = "iq:starts"
"""Hash: how often each `job.stage` was begun and did not end."""


def record(job_id: str) -> str:
    """String: the job's record."""
    return f"iq:{job_id}"


def index(state: State) -> str:
    """Sorted set of the jobs in a state, all scored 0: ids sort by their age."""
    return f"iq:state:{state}"


def due(queue: Queue | None) -> str:
    """Sorted set of job ids by the time, in epoch seconds, when `queue` must look at them."""
    return f"iq:due:{queue}" if queue else RETENTION


def guard(queue: Queue) -> str:
    """String that lives while a worker tops `queue` up."""
    return f"iq:sweep:{queue}"


def pause(account: str, stage: Queue) -> str:
    """String that lives while an account is to be left alone."""
    return f"iq:pause:{account}:{stage}"


def callbacks(job_id: str) -> str:
    """List of the callbacks that arrived for a job and were not read yet."""
    return f"iq:callbacks:{job_id}"


def aside(job_id: str) -> str:
    """List of the callbacks of a job that could not be read, kept for a person."""
    return f"iq:aside:{job_id}"


def once(key: str) -> str:
    """String: the id of the job that was made under an idempotency key."""
    return f"iq:once:{key}"
