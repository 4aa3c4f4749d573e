"""A success and a failure of the same task: images win, and both are on record."""

from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.job import State, add_seconds
from imagequeue.producer.client import LocalClient
from imagequeue.store import keys
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import (
    TASK,
    kie_callback,
    queued,
    waiting,
)
from support.stub import Stub
from support.worker.callbacks import URL, arrive, come, counted, reasons, urls


def test_status_of_task_before_retry_is_ignored(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    for _ in range(2):
        arrive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    LocalClient(ctx.settings, now=ctx.now).retry(job_id, pay_again=True)
    arrive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED

    def answer(*_: Any) -> Any:
        arrive(ctx, job_id, kie_callback(code=501))
        read_callbacks(ctx, job_id)
        return 200, {"code": 200, "msg": "success", "data": {"taskId": "task-2"}}

    stub.answer = answer
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id) == (State.WAITING, "task-2")


def test_success_after_failure_revives_job(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    come(ctx, job_id, kie_callback(code=500), kie_callback(URL))
    job = ctx.store.get(job_id)
    assert [(entry.to, entry.cause) for entry in job.history[2:]] == [
        (State.FAILED, "callback"),
        (State.FAILED, "callback contradicts the failure: 500"),
        (State.DOWNLOADING, "callback"),
    ]
    assert (job.error, urls(ctx, job_id)) == (None, [URL])
    assert ctx.store.redis.zscore(keys.due(Queue.DOWNLOAD), job_id) is not None
    assert ctx.store.redis.zscore(keys.RETENTION, job_id) is None
    assert counted(ctx) == {"settled": 2}


def cancelled(ctx: Context, job_id: str) -> None:
    LocalClient(ctx.settings, now=ctx.now).cancel(job_id)
    come(ctx, job_id, kie_callback(URL))


def downloading(ctx: Context, job_id: str) -> None:
    come(ctx, job_id, kie_callback(URL))


def succeeded(ctx: Context, job_id: str, to: State = State.SUCCEEDED) -> None:
    downloading(ctx, job_id)
    over = add_seconds(ctx.now(), ctx.settings.retention_s)
    ctx.store.transition(
        ctx.store.get(job_id), lambda job: job.transition_to(to, "test", ctx.now(), over)
    )


def unsaved(ctx: Context, job_id: str) -> None:
    succeeded(ctx, job_id, State.UNSAVED)


@pytest.mark.parametrize("become", [downloading, succeeded, unsaved, cancelled])
def test_failure_after_success_is_noted_once(
    ctx: Context, stub: Stub, clock: Clock, become: Any
) -> None:
    job_id = waiting(ctx, stub)
    become(ctx, job_id)
    before, settled = ctx.store.get(job_id), counted(ctx)["settled"]
    clock.advance(5)
    come(ctx, job_id, kie_callback(code=500), kie_callback(code=500))
    job = ctx.store.get(job_id)
    (note,) = job.changes[len(before.changes) :]
    assert (note.to, note.cause) == (before.state, "callback reported a failure: 500")
    same = {"changes": before.changes, "revision": before.revision, "wake_at": before.wake_at}
    assert job.model_copy(update=same) == before
    assert counted(ctx) == {"settled": settled, "contradicted": 1, "duplicate": 1}
    assert reasons(ctx) == [Outcome.CONTRADICTED]


@pytest.mark.parametrize("become", [succeeded, unsaved, cancelled])
def test_failure_after_success_keeps_retention(
    ctx: Context, stub: Stub, clock: Clock, become: Any
) -> None:
    job_id = waiting(ctx, stub)
    become(ctx, job_id)
    before = ctx.store.redis.zscore(keys.RETENTION, job_id)
    assert before
    clock.advance(5)
    come(ctx, job_id, kie_callback(code=500))
    assert ctx.store.redis.zscore(keys.RETENTION, job_id) == before


def test_failure_message_is_truncated(ctx: Context, stub: Stub) -> None:
    now = ctx.now()
    job_id = queued(ctx, provider="acedata-flux")
    for to in (State.SUBMITTING, State.UNCONFIRMED):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job, to=to: job.transition_to(to, "test", now, add_seconds(now, 60)),
        )
    error = {"code": "c" * 100_000, "message": "m" * 100_000}
    come(ctx, job_id, {"success": False, "error": error, "task_id": TASK})
    job = ctx.store.get(job_id)
    assert job.error
    assert (len(job.error.code), len(job.error.message)) == (300, 300)
