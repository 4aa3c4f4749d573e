"""A key that is refused or has no credit is set aside; its jobs wait or take another one."""

from typing import Any

import pytest

from imagequeue.jobs.job import Job, State
from imagequeue.store.submit.pauses import FIRST_PAUSE_S, MAX_PAUSE_S
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, kie_refused, queued
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    urls = {"kie_base_url": stub.url, "acedata_base_url": stub.url}
    return {**overrides, "kie_api_key": "kie-main", **urls}


@pytest.fixture
def two_keys(overrides: dict[str, str]) -> None:
    overrides["kie_api_keys"] = "spare:kie-spare"


def send_next(ctx: Context) -> list[str]:
    """Send what may be sent now."""
    leased = ctx.submits.lease(ctx.now(), 9).job_ids
    for job_id in leased:
        submit(ctx, job_id)
    return leased


def state(ctx: Context, job_id: str) -> tuple[Any, ...]:
    job: Job = ctx.store.get(job_id)
    return job.state, job.attempts, job.history[-1].cause


@pytest.mark.parametrize(
    ("code", "kind", "cause"),
    [
        (401, "auth", "refused with key main"),
        (402, "credit", "no credit with key main"),
        (433, "credit", "no credit with key main"),
    ],
)
def test_refused_key_is_set_aside_and_its_job_waits(
    ctx: Context, stub: Stub, code: int, kind: str, cause: str
) -> None:
    first, second = queued(ctx), queued(ctx, provider="kie-midjourney")
    stub.answer = lambda *_: kie_refused(code, "the provider's words")
    submit(ctx, first)
    assert state(ctx, first) == (State.QUEUED, 0, cause)
    (pause,) = ctx.pauses.list_all(ctx.now())
    assert (pause.name, pause.kind, pause.reason) == ("kie:main", kind, "the provider's words")
    assert send_next(ctx) == []
    assert len(stub.posts) == 1
    stub.answer = lambda *_: KIE_ACCEPTED
    ctx.pauses.resume("kie:main")
    assert sorted(send_next(ctx)) == [first, second]
    assert ctx.store.get(first).state is State.WAITING
    assert ctx.store.get(first).error is None


@pytest.mark.parametrize("code", ["disabled", "token_mismatched", "no_token"])
def test_token_of_another_service_is_set_aside(ctx: Context, stub: Stub, code: str) -> None:
    job_id = queued(ctx, provider="acedata-flux")
    stub.answer = lambda *_: (400, {"error": {"code": code, "message": "no"}})
    submit(ctx, job_id)
    assert state(ctx, job_id) == (State.QUEUED, 0, "refused with key main")
    assert [pause.name for pause in ctx.pauses.list_all(ctx.now())] == ["acedata.flux:main"]


@pytest.mark.usefixtures("two_keys")
def test_job_leaves_with_another_key(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: kie_refused(402)
    submit(ctx, job_id)
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    bearers = [headers["authorization"] for headers in stub.headers]
    assert bearers == ["Bearer kie-main", "Bearer kie-spare"]
    assert ctx.store.get(job_id).state is State.WAITING


def test_one_job_tries_again_and_the_pause_doubles(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = [queued(ctx) for _ in range(3)]
    stub.answer = lambda *_: kie_refused(402)
    submit(ctx, jobs[0])
    pause_s = FIRST_PAUSE_S
    for _ in range(5):
        clock.advance(pause_s - 1)
        assert send_next(ctx) == []
        clock.advance(1)
        assert send_next(ctx) == [jobs[0]]
        pause_s = min(2 * pause_s, MAX_PAUSE_S)
    assert pause_s == MAX_PAUSE_S
    stub.answer = lambda *_: KIE_ACCEPTED
    clock.advance(pause_s)
    assert send_next(ctx) == [jobs[0]]
    assert ctx.pauses.list_all(clock()) == []
    assert send_next(ctx) == jobs[1:]


def test_others_wait_while_one_job_tries(ctx: Context, stub: Stub, clock: Clock) -> None:
    first, second = queued(ctx), queued(ctx)
    stub.answer = lambda *_: kie_refused(402)
    submit(ctx, first)
    clock.advance(FIRST_PAUSE_S)
    assert ctx.submits.lease(clock(), 9).job_ids == [first]
    assert ctx.submits.get_permit(second, clock()) is None
    assert [pause.tried_by for pause in ctx.pauses.list_all(clock())] == [first]
    # The worker of the first job dies before it sends: another lease, another try.
    clock.advance(ctx.settings.lease_s)
    stub.answer = lambda *_: KIE_ACCEPTED
    assert first in send_next(ctx)
    assert ctx.store.get(first).state is State.WAITING


def test_refusal_of_an_earlier_job_does_not_double_a_pause(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = [queued(ctx) for _ in range(3)]
    assert ctx.submits.lease(clock(), 9).job_ids == jobs
    before = [(ctx.store.get(job_id), ctx.pauses) for job_id in jobs]
    stub.answer = lambda *_: kie_refused(402)
    submit(ctx, jobs[0])
    (pause,) = ctx.pauses.list_all(clock())
    for job, pauses in before[1:]:
        sent = job.model_copy(update={"account_key": "main"})
        pauses.set_aside(sent, "kie", pause.kind, "again", clock())
    assert ctx.pauses.list_all(clock()) == [pause]


def test_job_waits_longer_for_a_top_up_than_for_a_result(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: kie_refused(402)
    submit(ctx, job_id)
    clock.advance(2 * ctx.settings.give_up_after_s)
    assert send_next(ctx) == [job_id]
    assert ctx.store.get(job_id).state is State.QUEUED
    stub.answer = lambda *_: KIE_ACCEPTED
    ctx.pauses.resume("kie:main")
    assert send_next(ctx) == [job_id]
    assert ctx.store.get(job_id).state is State.WAITING
