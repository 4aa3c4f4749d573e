"""An input URL that cannot be looked at fails no job, and is not asked for by every job."""

from collections.abc import Callable
from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import Job, State
from imagequeue.store import keys
from imagequeue.store.images import keys as image_keys
from imagequeue.worker.context import Context
from imagequeue.worker.inputs.hand_over import HAND_OVER_S
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.stub import Stub
from support.worker.account_keys import change
from support.worker.input_urls import BACKGROUND, PAGE, PNG, count_looks, serve


@pytest.mark.parametrize("answer", [(401, b""), (403, PAGE)])
def test_url_that_is_refused_to_us_is_sent_with_a_note(
    stub: Stub, send: Callable[..., Job], answer: Any
) -> None:
    serve(stub, answer)
    job = send()
    assert (job.state, len(stub.posts)) == (State.WAITING, 1)
    note = f"sent without a check of image_urls.0 (HTTP {answer[0]})"
    assert [entry.cause for entry in job.history] == [note, "submit", "accepted"]


def test_untrusted_private_address_is_no_fault(
    ctx: Context, overrides: dict[str, str], stub: Stub, send: Callable[..., Job]
) -> None:
    change(ctx, overrides, download_trusted_hosts="")
    vars(ctx.http)["_guard"] = type(vars(ctx.http)["_guard"])()
    serve(stub, (404, b""))
    job = send()
    assert (job.state, count_looks(stub)) == (State.WAITING, 0)
    assert "is a private address" in job.history[0].cause


@pytest.mark.parametrize("answer", [(503, b""), (429, b""), None])
def test_url_that_fails_for_now_is_tried_again_and_then_sent(
    ctx: Context, stub: Stub, send: Callable[..., Job], clock: Clock, answer: Any
) -> None:
    serve(stub, answer)
    job = send()
    for looks in (1, 2):
        assert (job.state, count_looks(stub), stub.posts) == (State.QUEUED, looks, [])
        assert ctx.submits.lease(clock(), 9).job_ids == []
        clock.advance(60)
        ctx.store.redis.delete(*ctx.store.redis.keys("iq:look:*"))
        assert ctx.submits.lease(clock(), 9).job_ids == [job.id]
        submit(ctx, job.id)
        job = ctx.store.get(job.id)
    assert (job.state, len(stub.posts), job.submissions) == (State.WAITING, 1, 1)
    assert job.history[0].cause.startswith("sent without a check of image_urls.0")


def test_look_that_waits_uses_no_part_of_the_rate_limit(
    ctx: Context, overrides: dict[str, str], stub: Stub, send: Callable[..., Job], clock: Clock
) -> None:
    change(ctx, overrides, kie_rate_limit="1/10")
    serve(stub, (503, b""), (404, b""), (200, PNG))
    states = []
    for path in "abc":
        states.append(send(path).state)
        clock.advance(2)  # two permits are never granted at the same instant
    assert states == [State.QUEUED, State.FAILED, State.WAITING]


def test_one_photo_of_many_jobs_is_fetched_once(stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, PNG))
    states = [send("same.png", "same.png", params={"model": "nano-banana-2"}).state for _ in "abc"]
    assert (states, count_looks(stub)) == ([State.WAITING] * 3, 1)
    # Another model has other bounds.
    assert send("same.png", params={"model": BACKGROUND}, prompt="").state is State.FAILED
    assert count_looks(stub) == 1


def test_host_without_an_answer_is_not_asked_by_every_job(
    ctx: Context, stub: Stub, send: Callable[..., Job]
) -> None:
    serve(stub, None)
    assert [send(path).state for path in "abc"] == [State.QUEUED] * 3
    assert count_looks(stub) == 1


def test_damaged_look_counts_as_none(ctx: Context, stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, PNG))
    ctx.store.redis.set(image_keys.look(f"{stub.url}/a.png"), "damaged")
    assert (send().state, count_looks(stub)) == (State.WAITING, 1)


def test_worker_that_dies_during_a_look_leaves_the_job_queued(
    ctx: Context, send: Callable[..., Job], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases: list[float] = []

    def die(*_: Any) -> None:
        due: Any = ctx.store.redis.zrange(keys.due(Queue.SUBMIT), 0, 0, withscores=True)
        leases.append(due[0][1] - clock().timestamp())
        raise KeyboardInterrupt

    monkeypatch.setattr(type(ctx.http), "send", die)
    with pytest.raises(KeyboardInterrupt):
        send()
    assert leases == [HAND_OVER_S + ctx.settings.lease_s]
    assert ctx.store.redis.zcard(keys.index(State.QUEUED)) == 1
