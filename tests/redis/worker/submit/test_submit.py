"""Submit: the intent to pay is recorded first, and a paid request is sent once."""

import socket
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from imagequeue.errors import ConfigError, InvalidTransitionError
from imagequeue.jobs.job import State
from imagequeue.providers.wire import Pending
from imagequeue.store import keys
from imagequeue.store.submit.queue import open_submit_queue
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, TASK, kie_refused, path, queued, waiting
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "acedata_base_url": stub.url}


def called_back(ctx: Context) -> str:
    """Add a due job with callback delivery."""
    public = {"public_url": "http://callbacks.example"}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=public)
    return queued(ctx)


def test_accepted_job_waits_for_first_countdown(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.attempts) == (State.WAITING, TASK, 1)
    assert (job.wake_at - ctx.now()).total_seconds() == 60


def test_late_message_of_a_sent_job_changes_nothing(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    job, permit = ctx.store.get(job_id), ctx.submits.get_permit(job_id, ctx.now())
    assert permit
    ctx.pauses.pause("all", "a look", "ann", ctx.now())
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    assert ctx.store.get(job_id) == job
    assert ctx.submits.get_permit(job_id, ctx.now()) == permit


def test_queued_job_of_an_earlier_release_gets_a_place(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    ctx.store.redis.hdel(keys.PLACES, job_id)  # releases without limits stored none
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    assert len(stub.posts) == 0
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).state, len(stub.posts)) == (State.WAITING, 1)


def test_callback_delivery_skips_first_countdown(ctx: Context, stub: Stub) -> None:
    job_id = called_back(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.delivery) == (State.WAITING, "callback")
    assert (job.wake_at - ctx.now()).total_seconds() == 360


def test_callback_that_accepts_skips_first_countdown(ctx: Context, stub: Stub) -> None:
    job_id = called_back(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    apply_status(ctx, ctx.store.get(job_id), Pending(task_id=TASK), "callback")
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id) == (State.WAITING, TASK)
    assert (job.wake_at - ctx.now()).total_seconds() == 360


def test_intent_is_recorded_before_sending(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    states = []

    def answer(*_: Any) -> Any:
        states.append(ctx.store.get(job_id).state)
        return KIE_ACCEPTED

    stub.answer = answer
    submit(ctx, job_id)
    assert states == [State.SUBMITTING]


def test_second_message_sends_nothing(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)

    def answer(*_: Any) -> Any:
        with pytest.raises(InvalidTransitionError):
            submit(ctx, job_id)
        return KIE_ACCEPTED

    stub.answer = answer
    submit(ctx, job_id)
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    assert len(stub.posts) == 1


def test_early_message_sends_nothing(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: kie_refused(455, "maintenance")
    submit(ctx, job_id)
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    assert len(stub.posts) == 1


def test_outcome_is_held_while_redis_is_away(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagequeue.worker.outcome.RECORD_RETRY_S", 0.01)
    job_id = queued(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    move, calls = ctx.store.transition, iter(range(9))

    def flaky(*arguments: Any, **options: Any) -> Any:
        if next(calls) in (1, 2):
            raise RedisConnectionError
        return move(*arguments, **options)

    monkeypatch.setattr(ctx.store, "transition", flaky)
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).state, len(stub.posts)) == (State.WAITING, 1)


def test_outcome_is_recorded_before_it_is_logged(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        def info(self, *_: Any, **__: Any) -> None:
            raise OSError("no space left")

    monkeypatch.setattr("imagequeue.worker.submit.log", FullDisk())
    job_id = queued(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    with pytest.raises(OSError, match="no space left"):
        submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id) == (State.WAITING, TASK)


def test_missing_key_leaves_job_queued(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    vars(ctx)["settings"] = settings = ctx.settings.model_copy(update={"kie_api_key": None})
    vars(ctx)["submits"] = open_submit_queue(ctx.store.redis, settings)
    with pytest.raises(ConfigError):
        submit(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (200, b"<html>a gateway speaks</html>"),
        (502, b"bad gateway"),
        (504, {}),
        (200, {"code": 200, "msg": "success", "data": {}}),
        (301, {}, {"Location": "/elsewhere"}),
    ],
    ids=["hangs up", "HTML", "502", "504", "no task id", "redirect"],
)
def test_unknown_outcome_is_never_sent_again(
    ctx: Context, stub: Stub, clock: Clock, answer: Any
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: answer
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.state is State.UNCONFIRMED
    assert (job.wake_at - ctx.now()).total_seconds() == ctx.settings.unconfirmed_after_s
    clock.advance(ctx.settings.unconfirmed_after_s / 2)
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    assert len(stub.posts) == 1


def test_silent_server_ends_at_the_deadline(overrides: dict[str, str], ctx: Context) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hasty = {"kie_base_url": url, "submit_timeout_s": 0.3}
        vars(ctx)["settings"] = ctx.settings.model_copy(update=hasty)
        job_id = queued(ctx)
        submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED


def test_abandoned_submission_becomes_unconfirmed(ctx: Context, stub: Stub, clock: Clock) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    job_id = queued(ctx)
    vars(ctx.http)["send"] = die
    with pytest.raises(Killed):
        submit(ctx, job_id)
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    clock.advance(ctx.settings.lease_s)
    submit(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "unconfirmed"]


def test_worker_frozen_past_deadline_sends_nothing(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = queued(ctx)
    move = ctx.store.transition

    def frozen(*arguments: Any, **options: Any) -> Any:
        moved = move(*arguments, **options)
        monkeypatch.setattr("time.monotonic", lambda: 1e12)
        return moved

    monkeypatch.setattr(ctx.store, "transition", frozen)
    submit(ctx, job_id)
    assert stub.posts == []
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "queued"]
