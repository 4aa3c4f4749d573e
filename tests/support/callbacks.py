"""Callbacks that arrive for a job, and those in the quarantine."""

import json
from typing import Any

from imagequeue.jobs.callback import Callback, Outcome
from imagequeue.jobs.job import State, add_seconds
from imagequeue.store import keys
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from support.jobs import TASK, queued


def receive(ctx: Context, job_id: str, body: Any) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    ctx.inbox.put(job_id, Callback(ctx.now(), {"x-webhook-timestamp": "7"}, raw))
    return raw


def list_quarantined(ctx: Context) -> list[tuple[str, Outcome, bytes]]:
    return [(one.job_id, one.reason, one.callback.body) for one in Quarantine(ctx.store.redis)]


def quarantined_ids(ctx: Context) -> list[str]:
    return [one.id for one in Quarantine(ctx.store.redis)]


def quarantine(ctx: Context, *bodies: bytes, job_id: str = "job_gone") -> None:
    """Bodies in the quarantine, the first one oldest."""
    for body in bodies:
        receive(ctx, job_id, body)
        read_callbacks(ctx, job_id)


def counted_bytes(ctx: Context) -> int:
    return int(ctx.store.redis.get(keys.QUARANTINE_BYTES) or 0)


def stored_bytes(ctx: Context) -> int:
    return sum(len(f[b"entry"]) for _, f in ctx.store.redis.xrange(keys.QUARANTINE))


def waiting_job(ctx: Context) -> str:
    job_id, now = queued(ctx), ctx.now()
    ctx.store.transition(
        ctx.store.get(job_id), lambda job: job.transition_to(State.SUBMITTING, "test", now, now)
    )
    later = add_seconds(now, 60)
    ctx.store.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(State.WAITING, "test", now, later, task_id=TASK),
    )
    return job_id
