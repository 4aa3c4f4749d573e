"""Polled together, a job that fails or is settled meanwhile leaves the others alone."""

import threading
from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import Job, State
from imagequeue.providers.wire import ResultImage, Succeeded, TaskStatus
from imagequeue.store import keys
from imagequeue.worker.apply_status import apply_status, as_reported
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from support.clock import Clock
from support.stub import Stub
from support.worker.polls import accepted, answering, come_due, done, in_s, run_polls


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "acedata_base_url": stub.url}


@pytest.mark.parametrize(
    ("answer", "least_s"),
    [
        (None, 30),
        ((500, b"oops"), 30),
        ((200, b"not JSON"), 30),
        ((200, {"items": 7}), 30),
        ((429, {}, {"Retry-After": "100"}), 100),
        # Sooner than the other messages' leases end.
        ((429, {}, {"Retry-After": "3"}), 30),
    ],
    ids=["hangs up", "500", "not JSON", "no items", "429", "429, soon"],
)
def test_failed_request_postpones_all(
    ctx: Context, stub: Stub, clock: Clock, answer: Any, least_s: float
) -> None:
    jobs = accepted(ctx, stub, 10)
    stub.answer = lambda *_: answer
    run_polls(ctx, come_due(ctx, clock))
    assert len(stub.posts) == 1
    waits = [in_s(ctx, job_id) for job_id in jobs]
    assert all(least_s <= wait <= 2 * least_s for wait in waits)
    assert len(set(waits)) > 1, "they would all come back at once"
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.WAITING}


def test_missing_key_still_times_out(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 3)
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"acedata_api_key": None})
    run_polls(ctx, come_due(ctx, clock, ctx.settings.give_up_after_s))
    assert stub.posts == []
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.FAILED}


def test_callback_in_between_wins(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {}, otherwise=done)
    batch = stub.answer

    def answer(*request: Any) -> Any:
        image = ResultImage(url="https://a.example/called_back.png", lifetime_s=60)
        apply_status(
            ctx, ctx.store.get(jobs[1]), Succeeded(images=(image,), task_id="task-1"), "callback"
        )
        return batch(*request)

    stub.answer = answer
    run_polls(ctx, come_due(ctx, clock))
    assert len(stub.posts) == 1
    causes = [ctx.store.get(job_id).history[-1].cause for job_id in jobs]
    assert causes == ["poll", "callback", "poll"]
    (image,) = ctx.store.get(jobs[1]).images
    assert image.source_url == "https://a.example/called_back.png"
    assert ctx.store.redis.llen("poll") == 3, "an ordinary end, and no reason to dispatch it again"


def test_concurrent_workers_poll_each_task_once(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 10)
    answering(stub, {})
    come_due(ctx, clock)
    barrier = threading.Barrier(len(jobs))

    def arrive(job_id: str) -> None:
        barrier.wait()
        run_polls(ctx, [job_id])

    threads = [threading.Thread(target=arrive, args=(job_id,)) for job_id in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [task for body in stub.posts for task in body.get("ids", [body.get("id")])]
    assert sorted(asked) == [f"task-{n}" for n in range(10)]


def test_claim_of_lost_worker_expires(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 3)
    come_due(ctx, clock)
    assert ctx.wakeups.claim(Queue.POLL, jobs, clock()) == jobs
    answering(stub, {}, otherwise=done)
    run_polls(ctx, jobs)
    assert stub.posts == []
    assert come_due(ctx, clock, 2 * ctx.settings.lease_s) == jobs
    run_polls(ctx, jobs)
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.DOWNLOADING}


def test_crashing_peer_is_polled_alone_later(
    ctx: Context, stub: Stub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {}, otherwise=done)

    def break_one(context: Context, report: TaskStatus, cause: str, job: Job) -> Job:
        if job.id == jobs[1]:
            raise ZeroDivisionError
        return as_reported(context, report, cause, job)

    for module in ("poll", "apply_status"):
        monkeypatch.setattr(f"imagequeue.worker.{module}.as_reported", break_one)
    come_due(ctx, clock)
    ctx.store.redis.delete("poll")
    poll(ctx, jobs[0])
    states = [ctx.store.get(job_id).state for job_id in jobs]
    assert states == [State.DOWNLOADING, State.WAITING, State.DOWNLOADING]
    clock.advance(2 * ctx.settings.lease_s)
    assert ctx.dispatcher.sweep(Queue.POLL, ctx.now()).dispatched == [jobs[1]]
    with pytest.raises(ZeroDivisionError):
        poll(ctx, jobs[1])


def test_unreadable_record_leaves_others_polled(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {}, otherwise=done)
    come_due(ctx, clock)
    ctx.store.redis.set(keys.record(jobs[1]), b'{"rev":"00","state":"dreaming"}')
    run_polls(ctx, [jobs[0], jobs[2]])
    assert ctx.store.get(jobs[0]).state is ctx.store.get(jobs[2]).state is State.DOWNLOADING
