"""The keys in Redis, except for those of costs, deployments, images and webhooks.

Names are short, because each job has several.
"""

from __future__ import annotations

import functools

from ..config.queues import Queue
from ..jobs.ids import quote_name
from ..jobs.job import State

RETENTION = "iq:retention"
"""Sorted set of finished jobs by the time when their records are deleted."""

DEADLINES = "iq:deadlines"
"""Sorted set of the jobs in `downloading` by the time when their first URL expires."""

STARTS = "iq:starts"
"""Hash: how often the step of each `job.queue` was started since it last finished."""

COUNTERS = "iq:counters"
"""Hash: every counter by its name."""

EXEMPLARS = "iq:exemplars"
"""Hash: the latest traced job of each bucket of a histogram: its id, milliseconds, and end."""

QUARANTINE = "iq:quarantine"
"""Stream of callbacks that could not be applied: `job`, `reason` and `entry`, in this order."""

QUARANTINE_BYTES = "iq:quarantine:bytes"
"""String: the size of all entries in the quarantine."""

CHANGES = "iq:changes"
"""Stream of the latest changes of all jobs: `job`, and the `state` after the change."""

OPEN_JOBS = "iq:open"
"""Hash: how many jobs of each caller are not finished."""

API_KEYS = "iq:apikeys"
"""Hash: the record of each API key by its name; the key itself is not stored."""

API_KEYS_USED = "iq:apikeys:used"
"""Hash: the day on which each API key was last used, by its name."""

SESSIONS = "iq:sessions"
"""Hash: the record of each session of a browser, by the hash of its secret."""

SESSIONS_USED = "iq:sessions:used"
"""Hash: when each session was last used, in epoch seconds, by the hash of its secret."""

INDEXED = "iq:indexed"
"""String that exists once the jobs of earlier versions are in every index of `indexes`."""

BATCHES_INDEXED = "iq:batches:indexed"
"""String that exists once the batches of earlier versions are in the indexes of batches."""

PLACES = "iq:places"
"""Hash: where each queued job stands, as JSON; `places.dump_place` has the fields."""

PERMITS = "iq:permits"
"""Hash: the permit of each job that is leased to be sent, or in flight, as JSON.

Its ids are the jobs in flight.
"""

GRANTED = "iq:granted"
"""Hash: when each account key was last granted a permit."""

LEASED_AT = "iq:leased_at"
"""String: when jobs were last leased to be sent, or looked for, within 10 seconds."""

PAUSES = "iq:pauses"
"""Hash: the pauses, by `{name}|{kind}`, as JSON; `pauses.Pause` has the fields, and `pause_s`."""

FAILURES = "iq:failures"
"""Hash: how many times each upstream failed in a row, and since when, separated by a space."""

UNREADABLE = "iq:unreadable"
"""Hash: the ids of jobs and batches whose records could not be read, and why."""

EVERY_INDEX = "iq:state:*"
"""Pattern of the keys that `index` returns."""

PROBE = "iq:probe"
"""String that is written to check that Redis accepts writes."""


def record(job_id: str) -> str:
    """String: the job's record."""
    return f"iq:{job_id}"


def step(job_id: str, queue: Queue) -> str:
    """Field of STARTS: the step of a job in a queue."""
    return f"{job_id}.{queue}"


@functools.lru_cache(maxsize=4096)
def index(state: State, submitted_by: str | None = None, provider: str | None = None) -> str:
    """Sorted set of jobs in a state, all scored 0: ids sort by age.

    Of all jobs, of a caller's, of a provider's, or of a caller's at a provider.
    """
    of_caller = "" if submitted_by is None else f":by:{quote_name(submitted_by)}"
    of_provider = "" if provider is None else f":at:{provider}"
    return f"iq:state:{state}{of_caller}{of_provider}"


def indexes(state: State, submitted_by: str, provider: str) -> list[str]:
    """Return every index that holds a job in a state."""
    return [
        index(state, caller, name) for caller in (None, submitted_by) for name in (None, provider)
    ]


@functools.cache
def due(queue: Queue | None) -> str:
    """Sorted set of job ids by the time, in epoch seconds, when `queue` must work on them."""
    return f"iq:due:{queue}" if queue else RETENTION


def sweep_lock(queue: Queue) -> str:
    """Lock of the worker that fills `queue` with messages."""
    return f"iq:sweep:{queue}"


def login_link(token_hash: str) -> str:
    """String: the role that a one-time login link gives, until it is used or expires."""
    return f"iq:login_link:{token_hash}"


def rate_limit(caller: str) -> str:
    """Hash: how many jobs a caller submitted in each second of the last minute."""
    return f"iq:admitted:{caller}"


def account_key(quota: str, key: str) -> str:
    """Return the name under which an account key, given by its own name, is paused."""
    return f"{quota}:{key}"


def pause(name: str, kind: str) -> str:
    """Field of PAUSES: the pause of one kind of a name."""
    return f"{name}|{kind}"


def callbacks(job_id: str) -> str:
    """List of a job's callbacks that were not processed yet."""
    return f"iq:callbacks:{job_id}"


def made(fingerprint: str) -> str:
    """String: the id of the latest job with a fingerprint that succeeded."""
    return f"iq:made:{fingerprint}"


def needed_by(job_id: str) -> str:
    """Set of the queued jobs that wait for a job to finish; they are also in their due set."""
    return f"iq:needed_by:{job_id}"


def idempotency_key(key: str) -> str:
    """String: the id of the job under an idempotency key, and the digest of its request.

    `key` begins with the quoted name of its caller.
    """
    return f"iq:once:{key}"


def repeats(key: str) -> tuple[str, str, str]:
    """Return the keys of equal requests, by the start of their idempotency keys.

    Sorted set of the numbers that nobody was answered with, by how many requests claimed each;
    sorted set of the others by the time of the answer; string: the last number.
    """
    return f"iq:repeats:{key}:open", f"iq:repeats:{key}:answered", f"iq:repeats:{key}:last"


def bulk_start(key: str) -> str:
    """String: when the bulk action under an idempotency key began, and the digest of its request.

    `key` begins with the quoted name of its caller.
    """
    return f"iq:bulk:{key}"


def batch(batch_id: str) -> str:
    """Hash: a batch's document, and how many of its jobs are in each state."""
    return f"iq:batch:{batch_id}"


def batches(submitted_by: str | None = None) -> str:
    """Sorted set of the batches of all callers, or of one, all scored 0: ids sort by age."""
    return "iq:batches" if submitted_by is None else f"iq:batches:by:{quote_name(submitted_by)}"


def batch_jobs(batch_id: str) -> str:
    """Sorted set of the jobs of a batch, all scored 0: ids sort by age."""
    return f"iq:batch:{batch_id}:jobs"


def lines(quota: str, priority: str) -> str:
    """Sorted set of the lines that have jobs, by their turn; `...:{line}` has the jobs of one.

    `...:ended` is the hash of where lines ended that have none.
    """
    return f"iq:lines:{quota}:{priority}"


def ready(quota: str, priority: str, line: str) -> str:
    """Sorted set of the jobs of a line that may be sent, oldest first."""
    return f"{lines(quota, priority)}:{line}"


def sent(quota: str, key: str) -> str:
    """Sorted set of the submissions of an account key by the time when they were counted."""
    return f"iq:sent:{quota}:{key}"


def in_flight_at(quota: str, key: str) -> str:
    """Set of the jobs that have a permit of an account key."""
    return f"iq:in_flight:at:{quota}:{key}"


def in_flight_by(caller: str) -> str:
    """Set of the jobs of a caller that have a permit."""
    return f"iq:in_flight:by:{quote_name(caller)}"


def lookups(quota: str, key: str) -> str:
    """List of the times of the latest status requests with an account key, in milliseconds."""
    return f"iq:lookups:{quota}:{key}"


def lookups_waiting(quota: str, key: str) -> str:
    """Sorted set of the jobs that wait to ask with an account key, by the time when they may."""
    return f"iq:lookups:{quota}:{key}:waiting"
