"""One message serves a backlog: after its own job, the next due ones of its queue."""

from typing import Any

import pytest
import redis
from celery import Celery
from celery.exceptions import Retry

from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State, add_seconds
from imagequeue.store import keys
from imagequeue.worker import tasks as worker_tasks
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.base_task import MAX_STEPS
from imagequeue.worker.context import Context
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub
from support.submits import ready_key


@pytest.fixture
def app(settings: Settings, clock: Clock) -> Celery:
    return make_worker_app(settings, now=clock)


def recording(monkeypatch: pytest.MonkeyPatch, ctx: Context) -> list[str]:
    """Submit steps only end the job's wait from now on; returns whose turn it was, in order."""
    turns: list[str] = []

    def step(_: Context, job_id: str) -> None:
        turns.append(job_id)
        ctx.wakeups.set_wake_up(Queue.SUBMIT, job_id, add_seconds(ctx.now(), 60))

    monkeypatch.setattr("imagequeue.worker.tasks.submit", step)
    return turns


def test_message_serves_the_backlog_in_due_order(
    app: Celery, ctx: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [queued(ctx) for _ in range(5)]
    not_due = queued(ctx)
    for wait_s, job_id in enumerate([*jobs[1:], not_due]):
        ctx.wakeups.set_wake_up(Queue.SUBMIT, job_id, add_seconds(ctx.now(), wait_s))
    clock.advance(3)
    turns = recording(monkeypatch, ctx)
    assert app.tasks["imagequeue.submit"](jobs[0]) == 5
    assert turns == jobs
    assert ctx.store.redis.hlen(keys.STARTS) == 0


def test_message_ends_after_its_maximum_of_steps(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [queued(ctx) for _ in range(MAX_STEPS + 5)]
    turns = recording(monkeypatch, ctx)
    assert app.tasks["imagequeue.submit"](jobs[0]) == MAX_STEPS
    assert turns == jobs[:MAX_STEPS]
    assert ctx.store.redis.zcard(ready_key(ctx.store.get(jobs[-1]))) == 5
    assert ctx.store.redis.hlen(keys.STARTS) == 0


def test_stopping_worker_takes_nothing_new(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [queued(ctx) for _ in range(3)]
    turns = recording(monkeypatch, ctx)
    # What Celery sets on SIGTERM: the exit status to be.
    monkeypatch.setattr("celery.worker.state.should_stop", 0)
    assert app.tasks["imagequeue.submit"](jobs[0]) == 1
    assert turns == jobs[:1]


def test_crash_within_a_backlog_counts_for_its_own_job(
    app: Celery, ctx: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = queued(ctx), queued(ctx)
    turns = recording(monkeypatch, ctx)
    step = worker_tasks.submit

    def break_one(context: Context, job_id: str) -> None:
        step(context, job_id)
        if job_id == bad:
            raise ZeroDivisionError

    monkeypatch.setattr("imagequeue.worker.tasks.submit", break_one)
    for _ in range(ctx.settings.max_crashes):
        with pytest.raises(ZeroDivisionError):
            app.tasks["imagequeue.submit"](good)
        clock.advance(60)
    assert app.tasks["imagequeue.submit"](good) == 2
    assert turns == [good, bad] * ctx.settings.max_crashes + [good]
    assert ctx.store.get(bad).state is State.FAILED
    assert ctx.store.get(good).state is State.QUEUED


def test_retry_does_not_end_the_backlog(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [queued(ctx) for _ in range(3)]
    ctx.store.redis.zadd(keys.due(Queue.POLL), dict.fromkeys(jobs, 0))
    turns: list[str] = []

    def pause(_: Context, job_id: str) -> float:
        turns.append(job_id)
        return 30

    monkeypatch.setattr("imagequeue.worker.tasks.poll", pause)
    task = app.tasks["imagequeue.poll"]
    # As in a worker: called by hand, a task's retry would only be an error.
    task.push_request(id="of the message", args=(jobs[0],), called_directly=False)
    with pytest.raises(Retry):
        task(jobs[0])
    task.pop_request()
    assert turns == jobs
    due: Any = ctx.store.redis.zrange(keys.due(Queue.POLL), 0, -1, withscores=True)
    assert {score for _, score in due} == {add_seconds(ctx.now(), 30).timestamp()}
    assert ctx.store.redis.hlen(keys.STARTS) == 0


@pytest.fixture
def at_the_stub(app: Any, stub: Stub) -> Stub:
    """A provider that takes every job; its tasks go by the number of the request."""
    update = {"acedata_base_url": stub.url}
    vars(app.context)["settings"] = app.context.settings.model_copy(update=update)
    stub.answer = lambda *_: (200, {"task_id": f"task-{len(stub.posts)}"})
    return stub


def check_submitted_once(ctx: Context, stub: Stub, jobs: list[str]) -> None:
    assert [ctx.store.get(job_id).task_id for job_id in jobs] == ["task-1", "task-2", "task-3"]
    assert len(stub.posts) == len(jobs)
    assert ctx.store.redis.hlen(keys.STARTS) == 0


def test_overtaken_step_decides_again_and_backlog_goes_on(
    app: Celery, ctx: Context, at_the_stub: Stub
) -> None:
    jobs = [queued(ctx, provider="acedata-flux") for _ in range(3)]
    answer = at_the_stub.answer

    def meanwhile(*asked: Any) -> Any:
        ctx.store.transition(
            ctx.store.get(jobs[0]), lambda job: job.with_note("meanwhile", ctx.now(), job.wake_at)
        )
        at_the_stub.answer = answer
        return answer(*asked)

    at_the_stub.answer = meanwhile
    assert app.tasks["imagequeue.submit"](jobs[0]) == 3
    check_submitted_once(ctx, at_the_stub, jobs)


def test_cut_connection_does_not_end_the_backlog(
    app: Celery, ctx: Context, at_the_stub: Stub, redis_url: str
) -> None:
    jobs = [queued(ctx, provider="acedata-flux") for _ in range(3)]
    answer = at_the_stub.answer

    def cut(*asked: Any) -> Any:
        with redis.Redis.from_url(redis_url) as other:
            other.client_kill_filter(_type="normal", skipme=True)
        return answer(*asked)

    at_the_stub.answer = cut
    assert app.tasks["imagequeue.submit"](jobs[0]) == 3
    check_submitted_once(ctx, at_the_stub, jobs)
