"""Submit: the four kinds of answer, and a request that is never sent twice."""

import socket
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from imagequeue.config.queues import Queue
from imagequeue.errors import ConfigError, InvalidTransitionError
from imagequeue.jobs.job import State
from imagequeue.producer.local.ports import free_port
from imagequeue.providers.wire import Pending
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.settle import settle
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, TASK, kie_refused, path, queued
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "acedata_base_url": stub.url}


def called_back(ctx: Context) -> str:
    """A job that is due, and to be told of by callback."""
    public = {"public_url": "http://callbacks.example"}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=public)
    return queued(ctx)


def test_an_accepted_job_waits_with_its_task_id_until_the_first_countdown(
    ctx: Context, stub: Stub
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.attempts) == (State.WAITING, TASK, 1)
    assert (job.wake_at - ctx.now()).total_seconds() == 60


def test_where_a_callback_is_to_come_the_first_countdown_is_skipped(
    ctx: Context, stub: Stub
) -> None:
    job_id = called_back(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.delivery) == (State.WAITING, "callback")
    assert (job.wake_at - ctx.now()).total_seconds() == 360


def test_so_it_is_where_a_callback_said_that_the_job_was_taken(ctx: Context, stub: Stub) -> None:
    job_id = called_back(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    settle(ctx, ctx.store.get(job_id), Pending(task_id=TASK), "callback")
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id) == (State.WAITING, TASK)
    assert (job.wake_at - ctx.now()).total_seconds() == 360


def test_the_intent_to_pay_is_on_record_before_anything_is_sent(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    states = []

    def answer(*_: Any) -> Any:
        states.append(ctx.store.get(job_id).state)
        return KIE_ACCEPTED

    stub.answer = answer
    submit(ctx, job_id)
    assert states == [State.SUBMITTING]


def test_a_second_hint_sends_nothing(ctx: Context, stub: Stub) -> None:
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


@pytest.mark.parametrize(
    ("code", "reason"),
    [(401, "auth"), (402, "credit"), (422, "bad_input"), (500, "provider"), (505, "provider")],
)
def test_a_definite_refusal_ends_the_job_with_its_reason(
    ctx: Context, stub: Stub, code: int, reason: str
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: kie_refused(code, "the provider's words")
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.state is State.FAILED
    assert job.error
    assert (job.error.reason, job.error.code) == (reason, str(code))
    assert job.error.message == "the provider's words"


def test_a_rate_limit_burns_no_attempt_and_its_own_pause_is_kept(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {}, {"Retry-After": "30"})
    rounds = ctx.settings.submit_attempts + 2
    for _ in range(rounds):
        ctx.store.redis.delete(keys.pause("kie", Queue.SUBMIT))
        clock.time = max(clock.time, ctx.store.get(job_id).wake_at)
        submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.attempts) == (State.QUEUED, 0)
    assert 30 <= (job.wake_at - ctx.now()).total_seconds() <= 60
    # However long it goes on, the record does not grow.
    assert [entry.cause for entry in job.history] == [
        "submit",
        f"refused for now, times {rounds}",
    ]


def test_a_rate_limit_holds_back_every_job_of_the_account(ctx: Context, stub: Stub) -> None:
    first, second = queued(ctx), queued(ctx, provider="kie-midjourney")
    other = queued(ctx, provider="acedata-flux")
    stub.answer = lambda *_: (429, {}, {"Retry-After": "30"})
    submit(ctx, first)
    countdown = submit(ctx, second)
    assert countdown
    assert 29 <= countdown <= 60
    submit(ctx, other)
    assert len(stub.posts) == 2


def test_an_absurd_pause_is_not_believed(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {}, {"Retry-After": "999999999999"})
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).wake_at - ctx.now()).total_seconds() <= 7200


def test_a_hint_before_its_time_sends_nothing(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: kie_refused(455, "maintenance")
    submit(ctx, job_id)
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    assert len(stub.posts) == 1


def test_a_job_that_is_refused_for_now_for_ever_ends(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {})
    submit(ctx, job_id)
    ctx.store.redis.delete(keys.pause("kie", Queue.SUBMIT))
    clock.advance(ctx.settings.give_up_after_s)
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.reason) == (State.FAILED, "timed_out")


def test_an_answer_is_held_while_redis_is_away(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagequeue.worker.submit.RECORD_RETRY_S", 0.01)
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


def test_without_a_key_on_this_worker_nothing_is_sent_and_the_job_stays_queued(
    ctx: Context, stub: Stub
) -> None:
    job_id = queued(ctx)
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"kie_api_key": None})
    with pytest.raises(ConfigError):
        submit(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued"]


def test_refusals_for_now_back_off_and_end_the_job_when_its_attempts_are_used_up(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
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


def test_a_provider_that_cannot_be_reached_was_not_paid(
    overrides: dict[str, str], ctx: Context
) -> None:
    closed = ctx.settings.model_copy(update={"kie_base_url": f"http://127.0.0.1:{free_port()}"})
    vars(ctx)["settings"] = closed
    job_id = queued(ctx)
    submit(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "queued"]


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
def test_an_answer_that_does_not_say_leaves_the_job_unconfirmed_and_is_never_sent_again(
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


def test_a_server_that_never_answers_is_given_up_at_the_deadline(
    overrides: dict[str, str], ctx: Context
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hasty = {"kie_base_url": url, "submit_timeout_s": 0.3}
        vars(ctx)["settings"] = ctx.settings.model_copy(update=hasty)
        job_id = queued(ctx)
        submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED


def test_a_submission_whose_worker_died_is_unconfirmed_when_its_lease_is_over(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    job_id = queued(ctx)
    vars(ctx.http)["request"] = die
    with pytest.raises(Killed):
        submit(ctx, job_id)
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    clock.advance(ctx.settings.lease_s)
    submit(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "unconfirmed"]


def test_a_worker_frozen_past_its_deadline_sends_nothing(
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


def test_an_edit_is_asked_for_in_the_other_word_once_and_the_word_that_works_is_kept(
    ctx: Context, stub: Stub
) -> None:
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


def test_bad_input_is_not_mistaken_for_a_wrong_word(ctx: Context, stub: Stub) -> None:
    stub.answer = lambda *_: (400, {"error": {"code": "bad_request", "message": "no"}})
    job_id = queued(ctx, provider="acedata-flux")
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
    assert len(stub.posts) == 1
