"""Jobs that were sent with one of several keys."""

from typing import Any

from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import Job, State
from imagequeue.providers import get as get_provider
from imagequeue.store import keys
from imagequeue.store.submit.queue import open_submit_queue
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.jobs import KIE_ACCEPTED, queued
from support.stub import Stub


def change(ctx: Context, overrides: dict[str, str], **changed: str) -> None:
    """Configure the worker anew."""
    vars(ctx)["settings"] = settings = read_settings(**{**overrides, **changed})
    vars(ctx)["submits"] = open_submit_queue(ctx.store.redis, settings)


def pause(ctx: Context, key: str, quota: str = "kie", seconds: float = 60) -> None:
    ctx.pauses.limit_rate(quota, key, seconds, ctx.now())


def resume(ctx: Context) -> None:
    ctx.store.redis.delete(keys.PAUSES)


def bearers(stub: Stub) -> list[str]:
    """Return the key of each request since the last call."""
    found = [headers["authorization"].removeprefix("Bearer ") for headers in stub.headers]
    stub.headers.clear()
    return found


def sent_with(ctx: Context, stub: Stub, key: str, **fields: Any) -> Job:
    """Return a job that was accepted with a key, the other one being paused."""
    other = "spare" if key == "main" else "main"
    job_id = queued(ctx, **fields)
    pause(ctx, other, get_provider(ctx.store.get(job_id).provider).quota)
    stub.answer = stub.answer if fields else lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    resume(ctx)
    job = ctx.store.get(job_id)
    assert (job.state, job.account_key, len(bearers(stub))) == (State.WAITING, key, 1)
    return job
