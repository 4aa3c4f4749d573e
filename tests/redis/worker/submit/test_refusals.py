"""What a provider refuses: for good, for now, by its rate limit, or for the API version."""

from typing import Any

import pytest

from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.job import State
from imagequeue.producer.local.ports import free_port
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, TASK, kie_refused, path, queued
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    urls = {"kie_base_url": stub.url, "acedata_base_url": stub.url}
    return {**overrides, **urls, "breaker_failures": "0"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [(422, "bad_input"), (500, "provider"), (505, "provider")],
)
def test_refusal_fails_job_with_reason(ctx: Context, stub: Stub, code: int, reason: str) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: kie_refused(code, "the provider's words")
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.state is State.FAILED
    assert job.error
    assert (job.error.reason, job.error.code) == (reason, str(code))
    assert job.error.message == "the provider's words"


def test_rate_limit_uses_no_attempt(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {}, {"Retry-After": "30"})
    rounds = ctx.settings.submit_attempts + 2
    for _ in range(rounds):
        ctx.store.redis.delete(keys.PAUSES)
        clock.time = max(clock.time, ctx.store.get(job_id).wake_at)
        submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.attempts) == (State.QUEUED, 0)
    assert (job.wake_at - ctx.now()).total_seconds() == 30
    # However long it goes on, the record does not grow.
    assert [entry.cause for entry in job.history] == [
        "submit",
        f"refused for now, times {rounds}",
    ]


def test_rate_limit_pauses_the_account(ctx: Context, stub: Stub) -> None:
    first, second = queued(ctx), queued(ctx, provider="kie-midjourney")
    other = queued(ctx, provider="acedata-flux")
    stub.answer = lambda *_: (429, {}, {"Retry-After": "30"})
    submit(ctx, first)
    with pytest.raises(InvalidTransitionError, match="waits for its turn"):
        submit(ctx, second)
    submit(ctx, other)
    assert len(stub.posts) == 2


def test_absurd_pause_is_capped(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {}, {"Retry-After": "999999999999"})
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).wake_at - ctx.now()).total_seconds() <= 7200


def test_job_refused_for_now_times_out(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {})
    submit(ctx, job_id)
    ctx.store.redis.delete(keys.PAUSES)
    clock.advance(ctx.settings.give_up_after_s)
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.reason) == (State.FAILED, "timed_out")


def test_job_refused_once_is_sent_however_long_it_waited(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {})
    submit(ctx, job_id)
    clock.advance(2 * ctx.settings.give_up_after_s)  # for a limit, a budget or a person
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING


def test_refusals_for_now_back_off_then_fail(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: kie_refused(455, "maintenance")
    pauses = []
    for _ in range(ctx.settings.submit_attempts):
        submit(ctx, job_id)
        pauses.append((ctx.store.get(job_id).wake_at - ctx.now()).total_seconds())
        clock.advance(pauses[-1])
    assert pauses[:4] == [5, 10, 20, 40]
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.state is State.FAILED
    assert job.error
    assert (job.error.reason, job.error.code) == ("provider", "455")
    assert len(stub.posts) == ctx.settings.submit_attempts


def test_unreachable_provider_is_retried(overrides: dict[str, str], ctx: Context) -> None:
    closed = ctx.settings.model_copy(update={"kie_base_url": f"http://127.0.0.1:{free_port()}"})
    vars(ctx)["settings"] = closed
    job_id = queued(ctx)
    submit(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "queued"]


def test_other_version_is_tried_once_and_remembered(ctx: Context, stub: Stub) -> None:
    def answer(method: str, url: str, body: Any) -> Any:
        if body["action"] == "edits":
            return 400, {"error": {"code": "bad_request", "message": "unknown action"}}
        return 200, {"task_id": TASK}

    stub.answer = answer
    edit = {
        "provider": "acedata-flux",
        "action": "edit",
        "image_urls": ("https://example.com/a.png",),
    }
    for _ in range(2):
        job_id = queued(ctx, **edit)
        while ctx.store.get(job_id).state is State.QUEUED:
            submit(ctx, job_id)
        assert ctx.store.get(job_id).state is State.WAITING
    assert [body["action"] for body in stub.posts] == ["edits", "edit", "edit"]


def test_bad_input_does_not_try_other_version(ctx: Context, stub: Stub) -> None:
    stub.answer = lambda *_: (400, {"error": {"code": "bad_request", "message": "no"}})
    job_id = queued(ctx, provider="acedata-flux")
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
    assert len(stub.posts) == 1
