"""A provider or model that fails again and again gets no more jobs, until one is accepted."""

from collections.abc import Callable
from typing import Any

import pytest

from imagequeue.jobs.job import State
from imagequeue.producer.local.ports import free_port
from imagequeue.store import keys
from imagequeue.store.submit.pauses import FAILURE_WINDOW_S, FIRST_OUTAGE_S, MAX_OUTAGE_S
from imagequeue.store.submit.positions import open_positions
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, kie_refused, queued
from support.stub import Stub
from support.submits import add

FAILURES = 3
DOWN: Callable[..., Any] = lambda *_: (503, {})  # noqa: E731
UP: Callable[..., Any] = lambda *_: KIE_ACCEPTED  # noqa: E731
MODEL = "kie/z-image"


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "breaker_failures": str(FAILURES)}


def of_model(ctx: Context, model: str = "z-image", **params: Any) -> str:
    params = {"model": model, "aspect_ratio": "1:1", **params}
    return queued(ctx, provider="kie", params=params)


def other_model(ctx: Context) -> str:
    return queued(ctx, provider="kie", params={"model": "video-x", "unchecked": True})


def send_next(ctx: Context, max_jobs: int = 9) -> list[str]:
    leased = ctx.submits.lease(ctx.now(), max_jobs).job_ids
    for job_id in leased:
        submit(ctx, job_id)
    return leased


def names(ctx: Context) -> list[tuple[str, str]]:
    return [(pause.name, pause.kind) for pause in ctx.pauses.list_all(ctx.now())]


def fail(ctx: Context, stub: Stub, jobs: list[str]) -> None:
    stub.answer = DOWN
    for job_id in jobs:
        submit(ctx, job_id)


def test_failures_in_a_row_hold_the_model_back(ctx: Context, stub: Stub) -> None:
    jobs = [of_model(ctx) for _ in range(FAILURES)]
    fail(ctx, stub, jobs[:-1])
    assert names(ctx) == []
    fail(ctx, stub, jobs[-1:])
    assert names(ctx) == [(MODEL, "outage")]
    waiting, other = of_model(ctx), other_model(ctx)
    stub.answer = UP
    assert send_next(ctx) == [other]
    job = ctx.store.get(waiting)
    assert (job.state, job.submissions) == (State.QUEUED, 0)
    position = open_positions(ctx.store.redis, ctx.settings).measure([job], ctx.now())[waiting]
    assert (position.waits_for, (position.reason or "").partition(":")[0]) == ("pause", MODEL)


def test_backlog_behind_an_outage_holds_no_other_caller_back(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    fail(ctx, stub, [of_model(ctx) for _ in range(FAILURES)])
    params = {"model": "z-image", "aspect_ratio": "1:1"}
    add(ctx.store, clock, 1_100, provider="kie", params=params, submitted_by="a")
    other = {"model": "video-x", "unchecked": True}
    (job_id,) = add(ctx.store, clock, provider="kie", params=other, submitted_by="b")
    leased = ctx.submits.lease(ctx.now(), 9).job_ids  # wakes a thousand of them
    assert leased + ctx.submits.lease(ctx.now(), 9).job_ids == [job_id]


def test_accepted_job_ends_the_outage_and_all_keep_their_place(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    failed = [of_model(ctx) for _ in range(FAILURES)]
    fail(ctx, stub, failed)
    jobs = [of_model(ctx) for _ in range(3)]
    assert send_next(ctx) == []
    clock.advance(FIRST_OUTAGE_S)
    stub.answer = UP
    assert send_next(ctx) == failed[:1]
    assert names(ctx) == []
    clock.advance(ctx.settings.lease_s)
    assert sorted(send_next(ctx)) == [*failed[1:], *jobs]


def test_job_that_fails_to_end_an_outage_lets_another_try(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = [of_model(ctx) for _ in range(FAILURES + 2)]
    fail(ctx, stub, jobs[:FAILURES])
    tried: list[str] = []
    for _ in range(4):
        (pause,) = ctx.pauses.list_all(clock())
        assert pause.until
        assert (pause.until - clock()).total_seconds() <= MAX_OUTAGE_S
        clock.time = pause.until
        tried += send_next(ctx)
    assert len(tried) == 4
    assert len(set(tried)) > 1
    assert {ctx.store.get(job_id).attempts for job_id in tried} <= {0, 1}


def test_long_outage_uses_up_no_attempt(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = of_model(ctx)
    stub.answer = DOWN
    for _ in range(ctx.settings.submit_attempts + FAILURES):
        submit(ctx, job_id)
        clock.time = max(clock(), ctx.store.get(job_id).wake_at)
    job = ctx.store.get(job_id)
    assert (job.state, job.attempts) == (State.QUEUED, FAILURES - 1)


@pytest.mark.parametrize("between", ["accepted", "refused for its input", "after the window"])
def test_failures_that_are_not_in_a_row_change_nothing(
    ctx: Context, stub: Stub, clock: Clock, between: str
) -> None:
    fail(ctx, stub, [of_model(ctx) for _ in range(FAILURES - 1)])
    if between == "after the window":
        clock.advance(FAILURE_WINDOW_S)
    else:
        stub.answer = UP if between == "accepted" else lambda *_: kie_refused(422)
        submit(ctx, of_model(ctx))
        assert ctx.store.redis.hlen(keys.FAILURES) == 0
    fail(ctx, stub, [of_model(ctx)])
    assert names(ctx) == []


def test_refused_connection_and_error_of_the_provider_count(ctx: Context, stub: Stub) -> None:
    stub.answer = lambda *_: kie_refused(500)
    for _ in range(FAILURES - 1):
        submit(ctx, of_model(ctx))
    closed = ctx.settings.model_copy(update={"kie_base_url": f"http://127.0.0.1:{free_port()}"})
    vars(ctx)["settings"] = closed
    submit(ctx, of_model(ctx))
    assert names(ctx) == [(MODEL, "outage")]


def test_lost_answers_and_rate_limits_do_not_count(ctx: Context, stub: Stub) -> None:
    stub.answer = lambda *_: None
    for _ in range(FAILURES):
        submit(ctx, of_model(ctx))
    assert ctx.store.redis.hlen(keys.FAILURES) == 0
    assert names(ctx) == []


def test_outage_can_be_resumed_by_hand(ctx: Context, stub: Stub) -> None:
    fail(ctx, stub, [of_model(ctx) for _ in range(FAILURES)])
    assert ctx.pauses.resume(MODEL)
    waiting = of_model(ctx)
    stub.answer = UP
    assert send_next(ctx) == [waiting]
