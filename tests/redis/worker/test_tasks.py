"""The tasks' base class: a crashing step is given up; a worker's fault is not the job's."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from redis.exceptions import ConnectionError as RedisConnectionError

from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.errors import ConfigError
from imagequeue.jobs.callback import Callback, Outcome
from imagequeue.jobs.job import Job, State, add_seconds
from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.store import compare_and_set, keys
from imagequeue.store.codec import dump
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from support.clock import Clock
from support.jobs import queued


@pytest.fixture
def app(settings: Settings, clock: Clock) -> Celery:
    return make_worker_app(settings, now=clock)


def breaking(monkeypatch: pytest.MonkeyPatch, stage: str, error: Exception) -> Callable[..., Any]:
    """The step of a stage raises `error` from now on."""

    def step(*_: Any) -> None:
        raise error

    name = "read_callbacks" if stage == "callback" else stage
    monkeypatch.setattr(f"imagequeue.worker.tasks.{name}", step)
    return step


@pytest.mark.parametrize(
    ("stage", "path", "state", "reason"),
    [
        ("submit", [], State.FAILED, "bad_input"),
        ("submit", [State.SUBMITTING], State.UNCONFIRMED, None),
        ("poll", [State.SUBMITTING, State.WAITING], State.FAILED, "timed_out"),
        ("poll", [State.SUBMITTING, State.UNCONFIRMED], State.FAILED, "unconfirmed"),
    ],
)
def test_crashing_job_is_given_up_with_a_reason(
    app: Celery,
    ctx: Context,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    path: list[State],
    state: State,
    reason: str | None,
) -> None:
    job_id = queued(ctx)
    for step in path:
        ctx.transition(
            ctx.store.get(job_id),
            lambda job, to=step: job.transition_to(
                to, "test", ctx.now(), add_seconds(ctx.now(), 9)
            ),
        )
    breaking(monkeypatch, stage, ZeroDivisionError())
    for _ in range(ctx.settings.max_crashes):
        with pytest.raises(ZeroDivisionError):
            app.tasks[f"imagequeue.{stage}"](job_id)
    app.tasks[f"imagequeue.{stage}"](job_id)
    job = ctx.store.get(job_id)
    assert job.state is state
    assert job.error
    assert (job.error.reason, job.error.code) == (reason, "poison")
    assert ctx.store.redis.hlen(keys.STARTS) == 0


def test_crashing_download_ends_unsaved(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = queued(ctx)
    ctx.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(State.SUBMITTING, "test", ctx.now(), ctx.now()),
    )
    images = (ResultImage(url="https://a.example/0.png", lifetime_s=60),)
    apply_status(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    breaking(monkeypatch, "download", ZeroDivisionError())
    for _ in range(ctx.settings.max_crashes):
        with pytest.raises(ZeroDivisionError):
            app.tasks["imagequeue.download"](job_id)
    app.tasks["imagequeue.download"](job_id)
    assert ctx.store.get(job_id).state is State.UNSAVED


def test_crashing_callbacks_are_quarantined(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = queued(ctx)
    ctx.inbox.put(job_id, Callback(ctx.now(), {}, b"poison"))
    breaking(monkeypatch, "callback", ZeroDivisionError())
    for _ in range(ctx.settings.max_crashes):
        with pytest.raises(ZeroDivisionError):
            app.tasks["imagequeue.callback"](job_id)
    app.tasks["imagequeue.callback"](job_id)
    assert not ctx.inbox.list_unread(job_id)
    assert ctx.store.redis.zcard(keys.due(Queue.CALLBACK)) == 0
    (kept,) = Quarantine(ctx.store.redis)
    assert (kept.job_id, kept.reason, kept.callback.body) == (job_id, Outcome.POISON, b"poison")


@pytest.mark.parametrize("error", [ConfigError("no key"), RedisConnectionError("away")])
def test_worker_fault_postpones_the_job_and_never_ends_it(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job_id = queued(ctx)
    breaking(monkeypatch, "submit", error)
    for _ in range(ctx.settings.max_crashes * 2):
        app.tasks["imagequeue.submit"](job_id)
    assert ctx.store.get(job_id).state is State.QUEUED
    due = ctx.store.redis.zscore(keys.due(Queue.SUBMIT), job_id)
    assert due == add_seconds(ctx.now(), 15).timestamp()


def test_job_that_breaks_its_webhook_ends_visibly(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = queued(ctx)
    ctx.transition(
        ctx.store.get(job_id), lambda job: job.evolve(ctx.now(), webhook_url="https://x.example/")
    )
    breaking(monkeypatch, "submit", ZeroDivisionError())
    monkeypatch.setattr("imagequeue.store.transition_effects.build_webhook_entry", lambda _: 1 / 0)
    for _ in range(ctx.settings.max_crashes):
        with pytest.raises(ZeroDivisionError):
            app.tasks["imagequeue.submit"](job_id)
    app.tasks["imagequeue.submit"](job_id)
    assert ctx.store.get(job_id).state is State.FAILED
    (entry,) = ctx.outbox.list_unsent(job_id)
    assert job_id.encode() in entry


def test_record_that_cannot_be_written_ends_without_its_request(
    app: Celery, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = queued(ctx, prompt="a prompt that nothing can write")

    def dump_without_prompt(job: Job) -> bytes:
        if job.prompt:
            raise ZeroDivisionError
        return dump(job)

    monkeypatch.setattr(compare_and_set, "dump", dump_without_prompt)
    breaking(monkeypatch, "submit", ZeroDivisionError())
    for _ in range(ctx.settings.max_crashes):
        with pytest.raises(ZeroDivisionError):
            app.tasks["imagequeue.submit"](job_id)
    app.tasks["imagequeue.submit"](job_id)
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.code, job.prompt) == (State.FAILED, "poison", "")
    assert ctx.store.redis.hlen(keys.STARTS) == 0


def test_damaged_callback_is_quarantined(app: Celery, ctx: Context) -> None:
    job_id = queued(ctx)
    ctx.store.redis.rpush(keys.callbacks(job_id), b"no head")
    ctx.store.redis.zadd(keys.due(Queue.CALLBACK), {job_id: 0})
    app.tasks["imagequeue.callback"](job_id)
    (stored,) = Quarantine(ctx.store.redis)
    assert (stored.job_id, stored.callback.body) == (job_id, b"no head")
