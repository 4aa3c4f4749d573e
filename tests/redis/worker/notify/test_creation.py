"""Which transitions create a webhook and dispatch it."""

from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.job import Job, State, add_seconds
from imagequeue.producer.client import LocalClient
from imagequeue.store import keys
from imagequeue.store.compare_and_set import CompareAndSet
from imagequeue.worker.context import Context
from imagequeue.worker.notify import notify
from support.clock import Clock
from support.jobs import queued
from support.worker.webhooks import Listener, failed, is_over, move, tried, wake_up


def test_refused_transition_has_no_webhook(ctx: Context) -> None:
    job_id = queued(ctx)

    def overtaken(job: Any) -> Any:
        if job.state is State.QUEUED:
            move(ctx, job_id, State.SUBMITTING)
        return job.transition_to(State.CANCELLED, "test", ctx.now(), ctx.now())

    with pytest.raises(InvalidTransitionError):
        ctx.store.transition(ctx.store.get(job_id), overtaken)
    assert is_over(ctx, job_id)


def test_repeated_write_has_one_webhook(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_twice(self: CompareAndSet, before: Job, after: Job, client: Any = None) -> Any:
        """As the client does when the connection breaks after the script ran."""
        write(self, before, after, client)
        return write(self, before, after, client)

    write = CompareAndSet.__call__
    monkeypatch.setattr(CompareAndSet, "__call__", write_twice)
    assert len(ctx.outbox.list_unsent(failed(ctx))) == 1


def test_finished_job_dispatches_its_webhook(ctx: Context, clock: Clock) -> None:
    job_id, now = queued(ctx), clock()
    ctx.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(State.FAILED, "test", now, add_seconds(now, 60)),
    )
    assert ctx.store.redis.llen("notify") == 1
    assert wake_up(ctx, job_id) == add_seconds(now, ctx.settings.lease_s)


def test_cancel_dispatches_its_webhook(ctx: Context, clock: Clock) -> None:
    LocalClient(ctx.settings, now=clock).cancel(queued(ctx))
    assert ctx.store.redis.llen("notify") == 1


def test_sweep_dispatches_a_webhook(ctx: Context) -> None:
    job_id = failed(ctx)
    assert ctx.store.redis.llen("notify") == 0
    assert ctx.dispatcher.sweep(Queue.NOTIFY, ctx.now()).dispatched == [job_id]


def test_wake_up_without_webhook_is_removed(ctx: Context) -> None:
    job_id = queued(ctx)
    ctx.store.redis.zadd(keys.due(Queue.NOTIFY), {job_id: ctx.now().timestamp()})
    assert notify(ctx, job_id) is None
    assert is_over(ctx, job_id)


def test_deleted_job_still_sends_its_webhook(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    listener.answer = lambda _: 503
    job_id = failed(ctx)
    tried(ctx, job_id)
    clock.advance(9)
    assert ctx.store.deletion.delete_expired(clock()) == 1
    listener.answer = lambda _: 204
    assert tried(ctx, job_id) is None
    assert listener.types == ["job.failed"] * 2
    assert [key for key in ctx.store.redis.scan_iter("iq:*") if job_id.encode() in key] == []
