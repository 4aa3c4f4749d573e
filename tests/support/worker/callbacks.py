"""Callbacks that arrive for a job, and what became of them."""

import json
from typing import Any

from imagequeue.jobs.callback import Callback, Outcome
from imagequeue.store.counters import Counters
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context

URL = "https://a.example/r.png"


def arrive(ctx: Context, job_id: str, body: Any, **headers: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    ctx.inbox.put(job_id, Callback(ctx.now(), headers, raw))


def come(ctx: Context, job_id: str, *bodies: Any) -> None:
    """Store callbacks, and read each."""
    for body in bodies:
        arrive(ctx, job_id, body)
        read_callbacks(ctx, job_id)


def counted(ctx: Context) -> dict[str, int]:
    sums = Counters(ctx.store.redis).read()
    prefix = "callbacks."
    return {n.removeprefix(prefix): count for n, count in sums.items() if n.startswith(prefix)}


def reasons(ctx: Context) -> list[Outcome]:
    """Return why each callback is in the quarantine."""
    return [entry.reason for entry in Quarantine(ctx.store.redis)]


def urls(ctx: Context, job_id: str) -> list[str]:
    return [image.source_url for image in ctx.store.get(job_id).images]
