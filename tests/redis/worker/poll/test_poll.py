"""Poll: the countdowns, the slow tail and the timeout of a job."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.callback import Callback
from imagequeue.jobs.job import State, add_seconds
from imagequeue.store import keys
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.context import Context
from imagequeue.worker.poll import CALLBACK_FIRST_S, poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_PENDING, kie_done, kie_refused, path, queued, waiting
from support.processes import eventually
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "sweep_every_s": "0.02"}


def wake_up(ctx: Context, job_id: str) -> datetime | None:
    score = ctx.store.redis.zscore(keys.due(Queue.POLL), job_id)
    return None if score is None else datetime.fromtimestamp(score, ctx.now().tzinfo)


def test_default_schedule_to_overdue_and_timeout(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    accepted, gaps, states = clock(), [], []
    with start_worker(make_worker_app(ctx.settings, now=clock), perform_ping_check=False):
        while at := wake_up(ctx, job_id):
            gaps.append((at - clock()).total_seconds())
            # A countdown in a message would stand here unacknowledged until it is over.
            eventually(lambda: not ctx.store.redis.exists("unacked"))
            clock.time = at
            leased = (at, add_seconds(at, ctx.settings.lease_s))
            eventually(lambda leased=leased: wake_up(ctx, job_id) not in leased)
            states.append(ctx.store.get(job_id).state)
    assert gaps[:4] == [60, 300, 900, 1800]
    assert set(gaps[3:-1]) == {1800}
    assert states[:4] == [State.WAITING, State.WAITING, State.OVERDUE, State.OVERDUE]
    assert (clock() - accepted).total_seconds() == ctx.settings.give_up_after_s == 86400
    job = ctx.store.get(job_id)
    assert job.state is State.FAILED
    assert job.error
    assert job.error.reason == "timed_out"
    assert path(job) == ["queued", "submitting", "waiting", "overdue", "failed"]
    assert len(stub.posts) == 1


def test_finished_task_is_settled_and_dispatched(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_done("https://a.example/r.png", "https://a.example/o.png")
    assert poll(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert job.state is State.DOWNLOADING
    assert [(image.kind, image.source_url) for image in job.all_images] == [
        ("result", "https://a.example/r.png"),
        ("origin", "https://a.example/o.png"),
    ]
    assert [(image.expires_at - ctx.now()).total_seconds() for image in job.all_images] == [
        3600,
        600,
    ]
    assert ctx.store.redis.llen("download") == 1
    assert wake_up(ctx, job_id) is None


def test_failed_task_fails_job_with_message(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    data = {"taskId": "task-1", "successFlag": 3, "errorCode": 400, "errorMessage": "flagged"}
    stub.answer = lambda *_: (200, {"code": 200, "msg": "success", "data": data})
    poll(ctx, job_id)
    error = ctx.store.get(job_id).error
    assert error
    assert (error.reason, error.message) == ("policy", "flagged")


@pytest.mark.parametrize(
    "answer",
    [None, (500, b"oops"), (401, {"code": 401, "msg": "no"}), (200, b"not JSON"), kie_refused(429)],
    ids=["hangs up", "500", "401", "garbage", "429"],
)
def test_failed_look_up_is_repeated_soon(ctx: Context, stub: Stub, answer: Any) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: answer
    assert 30 <= (poll(ctx, job_id) or 0) <= 60
    assert ctx.store.get(job_id).state is State.WAITING


@pytest.mark.parametrize(
    ("delivery", "seconds"), [("poll", [15, 45, 300, 900]), ("callback", [360, 900])]
)
def test_fast_model_is_polled_once_more(
    ctx: Context, stub: Stub, clock: Clock, delivery: str, seconds: list[int]
) -> None:
    public = {"public_url": "http://callbacks.example"}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=public)
    job_id = waiting(ctx, stub, provider="kie", params={"model": "z-image"}, delivery=delivery)
    at = wake_up(ctx, job_id)
    assert at
    assert (at - ctx.now()).total_seconds() == seconds[0]
    data = {"taskId": "task-1", "state": "generating"}
    stub.answer = lambda *_: (200, {"code": 200, "msg": "success", "data": data})
    for before, after in pairwise(seconds):
        clock.advance(before)
        assert poll(ctx, job_id) == after


def test_status_that_may_be_final_ends_after_the_countdowns(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_refused(501)
    for seconds in (60, 300):
        clock.advance(seconds)
        assert 30 <= (poll(ctx, job_id) or 0) <= 60
        assert ctx.store.get(job_id).state is State.WAITING
    clock.advance(900)
    assert poll(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.reason) == (State.FAILED, "timed_out")


def test_unread_callback_comes_before_poll(ctx: Context, stub: Stub) -> None:
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"public_url": stub.url})
    job_id = waiting(ctx, stub, delivery="callback")
    stub.asked.clear()
    ctx.inbox.put(job_id, Callback(ctx.now(), {}, b"garbage, perhaps"))
    assert poll(ctx, job_id) == CALLBACK_FIRST_S
    assert stub.asked == []
    ctx.store.redis.delete(keys.callbacks(job_id))
    stub.answer = lambda *_: KIE_PENDING
    assert poll(ctx, job_id) == 360
    assert len(stub.asked) == 1


def test_callback_delivery_polls_later(ctx: Context, stub: Stub, clock: Clock) -> None:
    public = {"public_url": "http://callbacks.example"}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=public)
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    countdowns = []
    for seconds in (0, 360, 900, 1800):
        clock.advance(seconds)
        countdowns.append(poll(ctx, job_id))
    assert countdowns == [360, 900, 1800, 1800]
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "waiting", "overdue"]


def test_task_is_looked_up_in_its_api_version(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    vars(ctx)["dialects"] = {"kie-flux-kontext": "jobs"}
    poll(ctx, job_id)
    assert stub.asked[-1][1] == "/api/v1/flux/kontext/record-info?taskId=task-1"


def test_unconfirmed_job_fails_at_its_deadline(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    clock.advance(ctx.settings.unconfirmed_after_s - 1)
    with pytest.raises(InvalidTransitionError):
        poll(ctx, job_id)
    clock.advance(1)
    poll(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.reason) == (State.FAILED, "unconfirmed")
