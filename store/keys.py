"""Every key this queue keeps in Redis; short, because each job pays for its own."""

from __future__ import annotations

import functools

from ..config.queues import Queue
from ..jobs.job import State

RETENTION = "iq:retention"
"""Sorted set of resting jobs by the time their records are removed."""

DEADLINES = "iq:deadlines"
"""Sorted set of the jobs being downloaded by the time when the first of their URLs dies."""

STARTS = "iq:starts"
"""Hash: how often each `job.stage` was begun and did not end."""

COUNTERS = "iq:counters"
"""Hash: what was counted since this Redis was new, by name."""

QUARANTINE = "iq:quarantine"
"""Stream of callbacks that changed nothing: `job`, `reason` and `entry`, in this order."""

QUARANTINE_BYTES = "iq:quarantine:bytes"
"""String: the size of all entries in the quarantine."""

CHANGES = "iq:changes"
"""Stream of the latest changes of all jobs: `job`, and the `state` that it entered or stays in."""

OPEN = "iq:open"
"""Hash: how many jobs of each caller have not ended."""

API_KEYS = "iq:apikeys"
"""Hash: what is known of each API key, by its name; the key itself is not kept."""

API_KEYS_USED = "iq:apikeys:used"
"""Hash: the day on which each API key was last used, by its name."""

DEAD_WEBHOOKS = "iq:webhooks:dead"
"""Stream of webhooks that nobody took for too long: `job` and `entry`, in this order."""

PROBE = "iq:probe"
"""String that is written to see whether anything can be."""


def record(job_id: str) -> str:
    """String: the job's record."""
    return f"iq:{job_id}"


def step(job_id: str, queue: Queue) -> str:
    """Field of STARTS: the step of a job in a queue."""
    return f"{job_id}.{queue}"


@functools.cache
def index(state: State) -> str:
    """Sorted set of the jobs in a state, all scored 0: ids sort by their age."""
    return f"iq:state:{state}"


@functools.cache
def due(queue: Queue | None) -> str:
    """Sorted set of job ids by the time, in epoch seconds, when `queue` must look at them."""
    return f"iq:due:{queue}" if queue else RETENTION


def guard(queue: Queue) -> str:
    """String that lives while a worker tops `queue` up."""
    return f"iq:sweep:{queue}"


def admitted(caller: str) -> str:
    """Hash: how many jobs of a caller were let in, by the second."""
    return f"iq:admitted:{caller}"


def pause(account: str, stage: Queue) -> str:
    """String that lives while an account is to be left alone."""
    return f"iq:pause:{account}:{stage}"


def callbacks(job_id: str) -> str:
    """List of the callbacks that arrived for a job and were not read yet."""
    return f"iq:callbacks:{job_id}"


def once(key: str) -> str:
    """String: the job that was made under an idempotency key, and the digest of its request."""
    return f"iq:once:{key}"


def batch(batch_id: str) -> str:
    """Hash: a batch's document, and how many of its jobs are in each state."""
    return f"iq:batch:{batch_id}"


def batch_jobs(batch_id: str) -> str:
    """Sorted set of the jobs of a batch, all scored 0: ids sort by their age."""
    return f"iq:batch:{batch_id}:jobs"


def webhooks(job_id: str) -> str:
    """List of a job's webhooks that were not sent yet, in order."""
    return f"iq:webhooks:{job_id}"
