"""Hints: bounded, in order, leased, and never the truth."""

from datetime import datetime

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import Job, add_seconds, new_job
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.sweep import sweep


def wake(ctx: Context, now: datetime) -> list[str]:
    """The ids that a sweep of the submit queue hints."""
    return ctx.dispatcher.sweep(Queue.SUBMIT, now).dispatched


def add(ctx: Context, count: int) -> list[Job]:
    jobs = [
        new_job(
            add_seconds(ctx.now(), n / 1000),
            provider="acedata-flux",
            action="generate",
            delivery="poll",
        )
        for n in range(count)
    ]
    ctx.store.add(jobs)
    return jobs


def standing(ctx: Context) -> int:
    return int(ctx.store.redis.llen("submit"))  # type: ignore[arg-type]


def test_sweep_dispatches_in_order_and_leases(ctx: Context) -> None:
    jobs = add(ctx, 5)
    now = add_seconds(ctx.now(), 0.0025)
    hinted = wake(ctx, now)
    assert hinted == [job.id for job in jobs[:3]]
    lease_end = add_seconds(now, ctx.settings.lease_s).timestamp()
    scores = [ctx.store.redis.zscore(keys.due(Queue.SUBMIT), job.id) for job in jobs[:3]]
    assert scores == [lease_end] * 3
    assert wake(ctx, now) == []


def test_lost_message_is_sent_again_after_its_lease(ctx: Context) -> None:
    (job,) = add(ctx, 1)
    ctx.dispatcher.dispatch(Queue.SUBMIT, [job.id], ctx.now())
    ctx.store.redis.delete("submit")
    almost = add_seconds(ctx.now(), ctx.settings.lease_s - 0.1)
    assert wake(ctx, almost) == []
    over = add_seconds(ctx.now(), ctx.settings.lease_s)
    assert wake(ctx, over) == [job.id]


def test_leased_job_is_not_dispatched_again(ctx: Context) -> None:
    first, second, late = add(ctx, 3)
    now = add_seconds(ctx.now(), 0.001)
    assert wake(ctx, now) == [first.id, second.id]
    ctx.dispatcher.dispatch(Queue.SUBMIT, [first.id, second.id], now)
    assert standing(ctx) == 2
    ctx.dispatcher.dispatch(Queue.SUBMIT, [first.id, late.id], add_seconds(now, 0.001))
    assert standing(ctx) == 3


def test_messages_stay_under_the_limit(ctx: Context) -> None:
    bound = 60
    vars(ctx.dispatcher)["_max_messages"] = bound
    jobs = add(ctx, bound + 50)
    later = add_seconds(ctx.now(), 10)
    ctx.dispatcher.dispatch(Queue.SUBMIT, [job.id for job in jobs[: bound + 10]], later)
    assert standing(ctx) == bound
    assert wake(ctx, later) == []
    ctx.store.redis.ltrim("submit", 0, bound - 8)
    assert wake(ctx, later) == [job.id for job in jobs[bound : bound + 7]]


def test_one_worker_at_a_time_fills_a_queue(ctx: Context) -> None:
    (job,) = add(ctx, 1)
    ctx.store.redis.set(keys.sweep_lock(Queue.SUBMIT), 1)
    assert ctx.dispatcher.sweep(Queue.SUBMIT, ctx.now()) == ([], True, None)
    ctx.store.redis.delete(keys.sweep_lock(Queue.SUBMIT))
    assert ctx.dispatcher.sweep(Queue.SUBMIT, ctx.now()) == ([job.id], False, None)
    assert not ctx.store.redis.exists(keys.sweep_lock(Queue.SUBMIT))


def test_sweep_reports_a_backlog(ctx: Context) -> None:
    vars(ctx.dispatcher)["_max_messages"] = 60
    add(ctx, 61)
    later = add_seconds(ctx.now(), 10)
    assert ctx.dispatcher.sweep(Queue.SUBMIT, later).has_more
    assert ctx.dispatcher.sweep(Queue.SUBMIT, later) == ([], True, None)
    ctx.store.redis.delete("submit")
    assert not ctx.dispatcher.sweep(Queue.SUBMIT, later).has_more


def test_claim_is_exclusive_until_it_expires(ctx: Context) -> None:
    ids = [job.id for job in add(ctx, 3)]
    now = add_seconds(ctx.now(), 1)
    assert wake(ctx, now) == ctx.wakeups.list_due_soon(Queue.SUBMIT, now) == ids
    assert ctx.wakeups.claim(Queue.SUBMIT, ids[:2], now) == ids[:2]
    assert ctx.wakeups.claim(Queue.SUBMIT, ids[:2], now) == []
    assert ctx.wakeups.claim(Queue.SUBMIT, [ids[2], *ids[:2]], now) == [ids[2]]
    assert ctx.wakeups.list_due_soon(Queue.SUBMIT, now) == []
    assert wake(ctx, add_seconds(now, 2 * ctx.settings.lease_s - 0.1)) == []
    over = add_seconds(now, 2 * ctx.settings.lease_s)
    assert wake(ctx, over) == ids
    assert ctx.wakeups.claim(Queue.SUBMIT, ids, over) == ids


def test_claim_fails_if_the_first_job_is_taken(ctx: Context) -> None:
    first, second = (job.id for job in add(ctx, 2))
    ctx.wakeups.claim(Queue.SUBMIT, [first], ctx.now())
    assert ctx.wakeups.claim(Queue.SUBMIT, [first, second], ctx.now()) == []
    assert ctx.wakeups.claim(Queue.SUBMIT, [second], ctx.now()) == [second]


def test_job_without_wake_up_is_not_claimed(ctx: Context) -> None:
    gone, there = (job.id for job in add(ctx, 2))
    ctx.store.redis.zrem(keys.due(Queue.SUBMIT), gone)
    assert ctx.wakeups.claim(Queue.SUBMIT, [there, gone], ctx.now()) == [there]
    assert ctx.store.redis.zscore(keys.due(Queue.SUBMIT), gone) is None


def test_lease_of_a_fast_clock_can_be_claimed(ctx: Context) -> None:
    (job,) = add(ctx, 1)
    ctx.dispatcher.dispatch(Queue.SUBMIT, [job.id], add_seconds(ctx.now(), 2))
    assert ctx.wakeups.claim(Queue.SUBMIT, [job.id], ctx.now()) == [job.id]


def test_sweep_covers_every_queue(ctx: Context) -> None:
    (job,) = add(ctx, 1)
    for queue in Queue:
        ctx.store.redis.zadd(keys.due(queue), {job.id: 0})
    sweep(ctx)
    assert [ctx.store.redis.llen(queue.value) for queue in Queue] == [1] * len(Queue)
