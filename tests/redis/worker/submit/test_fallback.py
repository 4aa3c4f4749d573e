"""A job takes its fallback only if its provider certainly did not take it."""

import json
from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.config.settings import read_settings
from imagequeue.errors import InvalidRequestError, InvalidTransitionError
from imagequeue.jobs.job import Job, State
from imagequeue.producer.commands import retry
from imagequeue.store import codec, keys
from imagequeue.store.submit.queue import open_submit_queue
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, TASK, kie_refused, queued
from support.stub import Stub

OTHER = {"provider": "acedata-flux", "params": {"model": "flux-pro"}}
FIRST = "kie-flux-kontext"


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    urls = {"kie_base_url": stub.url, "acedata_base_url": stub.url}
    return {**overrides, **urls, "kie_api_key": "kie-main", "breaker_failures": "2"}


def answering(stub: Stub, kie: Any) -> None:
    """Let kie answer so, and the other provider accept."""
    accepted = (200, {"task_id": "other-1"})
    stub.answer = lambda method, url, body: accepted if "/flux/images" in url else kie


def with_fallback(ctx: Context, *others: Any, **fields: Any) -> str:
    return queued(ctx, provider=FIRST, fallback=others or (OTHER,), **fields)


def send_all(ctx: Context) -> None:
    """Send what may be sent now, until nothing changes any more."""
    while leased := dict.fromkeys([*ctx.submits.lease(ctx.now(), 9).job_ids, *messages(ctx)]):
        for job_id in leased:
            try:
                submit(ctx, job_id)
            except InvalidTransitionError:
                continue  # another message was about it


def messages(ctx: Context) -> list[str]:
    """Take the messages about jobs that were dispatched; return the ids of these."""
    found = ctx.store.redis.lrange(Queue.SUBMIT.value, 0, -1)
    ctx.store.redis.delete(Queue.SUBMIT.value)
    return [json.loads(message)["headers"]["id"].partition(".")[0] for message in found]


def causes(job: Job) -> list[str]:
    return [entry.cause for entry in job.history]


def test_job_without_a_key_left_falls_back(ctx: Context, stub: Stub) -> None:
    answering(stub, kie_refused(402))
    job_id = with_fallback(ctx)
    submit(ctx, job_id)
    assert ctx.store.get(job_id).provider == FIRST
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.provider, job.params, job.fallback) == (OTHER["provider"], OTHER["params"], ())
    assert causes(job)[-1] == "fallback to acedata-flux: no credit at kie"
    send_all(ctx)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.attempts) == (State.WAITING, "other-1", 1)
    assert len(stub.posts) == 2


def test_indexes_and_counters_follow_the_provider(ctx: Context, stub: Stub) -> None:
    answering(stub, kie_refused(402))
    job_id = with_fallback(ctx)
    estimate = ctx.store.get(job_id).fallback[0].estimate
    # The first listing indexes the jobs of earlier versions.
    assert [found.id for found in ctx.store.list(provider=FIRST).jobs] == [job_id]
    submit(ctx, job_id)
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.estimate) == (State.QUEUED, estimate)
    assert ctx.store.list(provider=FIRST).jobs == []
    assert [found.id for found in ctx.store.list(provider="acedata-flux").jobs] == [job_id]
    counts = ctx.store.redis.hgetall(keys.COUNTERS)
    assert (counts[f"jobs.queued.{FIRST}".encode()], counts[b"jobs.queued.acedata-flux"]) == (
        b"0",
        b"1",
    )
    assert ctx.store.redis.zrange(keys.index(State.QUEUED), 0, -1) == [job_id.encode()]


def test_another_key_comes_before_the_fallback(
    ctx: Context, overrides: dict[str, str], stub: Stub
) -> None:
    settings = read_settings(**overrides, kie_api_keys="spare:kie-spare")
    vars(ctx)["settings"] = settings
    vars(ctx)["submits"] = open_submit_queue(ctx.store.redis, settings)
    answering(stub, kie_refused(402))
    job_id = with_fallback(ctx)
    submit(ctx, job_id)
    answering(stub, KIE_ACCEPTED)
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.provider, job.account_key, job.task_id) == (FIRST, "spare", TASK)


def test_waiting_jobs_fall_back_past_those_that_wait(ctx: Context, stub: Stub) -> None:
    answering(stub, kie_refused(402))
    first, second = queued(ctx, provider=FIRST), queued(ctx, provider=FIRST)
    others = [with_fallback(ctx) for _ in range(3)]
    submit(ctx, first)
    send_all(ctx)
    jobs = [ctx.store.get(job_id) for job_id in others]
    assert {(job.provider, job.state) for job in jobs} == {("acedata-flux", State.WAITING)}
    assert {job.submissions for job in jobs} == {1}
    assert ctx.store.get(second).provider == FIRST
    assert ctx.store.get(second).state is State.QUEUED


def test_waiting_jobs_fall_back_during_an_outage(ctx: Context, stub: Stub) -> None:
    answering(stub, (503, {}))
    for _ in range(2):
        submit(ctx, queued(ctx, provider=FIRST))
    job_id = with_fallback(ctx)
    send_all(ctx)
    job = ctx.store.get(job_id)
    assert causes(job) == [
        f"fallback to acedata-flux: outage of {FIRST}",
        *("submit", "accepted"),
    ]


def test_job_that_the_provider_failed_on_falls_back(ctx: Context, stub: Stub) -> None:
    answering(stub, kie_refused(500))
    job_id = with_fallback(ctx)
    submit(ctx, job_id)
    assert causes(ctx.store.get(job_id)) == [
        "submit",
        f"fallback to acedata-flux: {FIRST} failed",
    ]
    send_all(ctx)
    assert ctx.store.get(job_id).state is State.WAITING


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (kie_refused(422), State.FAILED),
        (kie_refused(400, "prohibited content"), State.FAILED),
        (None, State.UNCONFIRMED),
        ((429, {}), State.QUEUED),
        (kie_refused(455), State.QUEUED),
    ],
    ids=["bad input", "policy", "no answer", "rate limit", "one temporary refusal"],
)
def test_nothing_else_makes_a_job_fall_back(
    ctx: Context, stub: Stub, answer: Any, state: State
) -> None:
    answering(stub, answer)
    job_id = with_fallback(ctx)
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.provider, len(job.fallback)) == (state, FIRST, 1)


def test_pause_by_hand_makes_no_job_fall_back(ctx: Context) -> None:
    job_id = with_fallback(ctx)
    for name in (FIRST, "kie:main"):
        ctx.pauses.pause(name, "", "cli", ctx.now())
        assert ctx.submits.lease(ctx.now(), 9).job_ids == []
        with pytest.raises(InvalidTransitionError):
            submit(ctx, job_id)
        ctx.pauses.resume(name)


@pytest.mark.parametrize("was_accepted", [True, False])
def test_job_that_may_have_a_task_does_not_fall_back(
    ctx: Context, stub: Stub, was_accepted: bool
) -> None:
    answering(stub, KIE_ACCEPTED if was_accepted else None)
    job_id = with_fallback(ctx)
    submit(ctx, job_id)
    if was_accepted:
        at = ctx.now()
        ctx.store.transition(
            ctx.store.get(job_id), lambda job: job.transition_to(State.FAILED, "poll", at, at)
        )
    ctx.store.transition(ctx.store.get(job_id), lambda job: retry(job, ctx.now(), pay_again=True))
    answering(stub, kie_refused(402))
    submit(ctx, job_id)
    assert ctx.submits.lease(ctx.now(), 9).job_ids == []
    with pytest.raises(InvalidTransitionError, match="waits for its turn"):
        submit(ctx, job_id)
    assert ctx.store.get(job_id).provider == FIRST


def test_fallbacks_are_taken_in_order(ctx: Context, stub: Stub, clock: Clock) -> None:
    second = {"provider": "kie-midjourney", "params": {"task_type": "txt2img"}}
    answering(stub, kie_refused(402))
    job_id = with_fallback(ctx, second, OTHER)
    submit(ctx, job_id)
    send_all(ctx)
    job = ctx.store.get(job_id)
    assert [cause for cause in causes(job) if cause.startswith("fallback")] == [
        "fallback to kie-midjourney: no credit at kie",
        "fallback to acedata-flux: no credit at kie",
    ]
    assert job.state is State.WAITING


def test_fallback_is_validated_as_the_request_itself(ctx: Context) -> None:
    wrong = {"provider": "acedata-flux", "params": {"count": 99}}
    with pytest.raises(InvalidRequestError) as refused:
        with_fallback(ctx, wrong, {"provider": "nobody"}, params={"aspect_ratio": "7:1"})
    fields = [problem.field for problem in refused.value.problems]
    assert fields == ["params.aspect_ratio", "fallback.0.params.count", "fallback.1.provider"]


def test_record_without_a_fallback_is_read_as_before(ctx: Context) -> None:
    job = ctx.store.get(queued(ctx))
    assert b"fallback" not in codec.dump(job)
    kept = ctx.store.get(with_fallback(ctx))
    assert codec.load(kept.id, codec.dump(kept), "") == kept
