"""A success that cannot be read: the job says so, and a later version reads the stored body."""

from typing import Any

import pytest

from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.job import Job, State
from imagequeue.providers.kie import tasks
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.saving.unreadable import MAX_STORED_BYTES
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import TASK, kie_callback, queued, waiting
from support.stub import Stub
from support.worker.callbacks import URL, come, reasons, urls
from support.worker.polls import come_due


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "acedata_base_url": stub.url}


def unreadable(field: str = "href") -> tuple[int, dict[str, Any]]:
    data = {"taskId": TASK, "successFlag": 1, "response": {field: URL}}
    return 200, {"code": 200, "msg": "success", "data": data}


def poll_to_the_end(ctx: Context, clock: Clock, job_id: str) -> Job:
    """Poll as often as the job asks for it, and read what was stored."""
    for _ in range(200):
        try:
            in_s = poll(ctx, job_id)
        except InvalidTransitionError:
            in_s = 30
        read_callbacks(ctx, job_id)
        if in_s is None:
            break
        clock.advance(in_s)
    return ctx.store.get(job_id)


def test_unreadable_success_ends_with_its_own_reason(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: unreadable()
    job = poll_to_the_end(ctx, clock, job_id)
    assert job.error
    assert (job.state, job.error.reason, job.charged) == (State.FAILED, "unreadable", "yes")
    (stored,) = Quarantine(ctx.store.redis)
    assert (stored.job_id, stored.reason) == (job_id, Outcome.UNREADABLE)
    assert URL.encode() in stored.callback.body
    assert (clock() - job.created_at).total_seconds() < ctx.settings.give_up_after_s / 2


def test_stored_poll_body_is_replayed_after_an_upgrade(
    ctx: Context, stub: Stub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: unreadable()
    poll_to_the_end(ctx, clock, job_id)
    monkeypatch.setattr(tasks, "_URL_FIELDS", ("href",))
    (stored,) = Quarantine(ctx.store.redis)
    Quarantine(ctx.store.redis).replay(stored.id, clock())
    read_callbacks(ctx, job_id)
    assert (ctx.store.get(job_id).state, urls(ctx, job_id)) == (State.DOWNLOADING, [URL])
    assert reasons(ctx) == []


def test_last_body_without_a_known_meaning_is_stored(
    ctx: Context, stub: Stub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = waiting(ctx, stub)
    data = {"taskId": TASK, "state": "finished", "outcome": URL}
    stub.answer = lambda *_: (200, {"code": 200, "msg": "success", "data": data})
    clock.advance(ctx.settings.give_up_after_s)
    assert poll(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.reason) == (State.FAILED, "timed_out")
    read_callbacks(ctx, job_id)
    (stored,) = Quarantine(ctx.store.redis)
    monkeypatch.setattr(tasks, "_URL_FIELDS", ("outcome",))
    monkeypatch.setattr(tasks, "_RESULT_FIELDS", ("outcome",))
    Quarantine(ctx.store.redis).replay(stored.id, clock())
    read_callbacks(ctx, job_id)
    assert (ctx.store.get(job_id).state, urls(ctx, job_id)) == (State.DOWNLOADING, [URL])


def test_body_that_would_fill_redis_is_not_stored(ctx: Context, stub: Stub, clock: Clock) -> None:
    stub.answer = lambda *_: (200, {"task_id": TASK})
    job_id = queued(ctx, provider="acedata", params={"model": "gpt-image-1"})
    submit(ctx, job_id)
    result = {"success": True, "data": [{"pixels": "x" * MAX_STORED_BYTES}]}
    stub.answer = lambda *_: (200, {"id": TASK, "response": result})
    assert come_due(ctx, clock) == [job_id]
    assert poll(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.error and job.error.reason) == (State.WAITING, "unreadable")
    assert ctx.inbox.list_unread(job_id) == {}


def test_later_readable_poll_still_gets_the_image(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: unreadable()
    poll(ctx, job_id)
    stub.answer = lambda *_: unreadable("resultImageUrl")
    clock.advance(60)
    poll(ctx, job_id)
    assert (ctx.store.get(job_id).state, urls(ctx, job_id)) == (State.DOWNLOADING, [URL])


def test_unreadable_batch_item_is_stored_alone(ctx: Context, stub: Stub, clock: Clock) -> None:
    stub.answer = lambda *_: (200, {"task_id": TASK})
    job_id = queued(ctx, provider="acedata-flux")
    submit(ctx, job_id)
    response = {"success": True, "task_id": TASK, "data": [{"href": URL}]}
    items = [{"id": TASK, "response": response}]
    stub.answer = lambda *_: (200, {"items": items, "count": 1, **items[0]})
    job = poll_to_the_end(ctx, clock, job_id)
    assert job.error
    assert job.error.reason == "unreadable"
    assert len(reasons(ctx)) == 1


def test_unreadable_callback_never_ends_as_a_timeout(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = waiting(ctx, stub)
    come(ctx, job_id, kie_callback(""))
    stub.answer = lambda *_: (503, {})
    clock.advance(ctx.settings.give_up_after_s)
    poll(ctx, job_id)
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.reason) == (State.FAILED, "unreadable")
    assert reasons(ctx) == [Outcome.UNREADABLE]


def test_status_of_another_task_does_not_stop_the_timeout(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = waiting(ctx, stub)
    data = {"taskId": "another", "successFlag": 1, "response": {"resultImageUrl": URL}}
    stub.answer = lambda *_: (200, {"code": 200, "msg": "success", "data": data})
    clock.advance(ctx.settings.give_up_after_s)
    job = poll_to_the_end(ctx, clock, job_id)
    assert job.error
    assert (job.error.reason, job.images) == ("timed_out", ())


def test_unreadable_submit_response_is_stored(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (200, {"code": 200, "msg": "ok", "result": {"task": TASK}})
    submit(ctx, job_id)
    read_callbacks(ctx, job_id)
    (stored,) = Quarantine(ctx.store.redis)
    assert (ctx.store.get(job_id).state, stored.reason) == (State.UNCONFIRMED, "unreadable")
    assert TASK.encode() in stored.callback.body


def test_parser_that_breaks_leaves_the_answer_on_record(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (200, {"code": 200, "data": {"taskId": TASK}})
    with monkeypatch.context() as patch:
        patch.setattr("imagequeue.providers.kie.responses.Envelope.parse", lambda _: 1 / 0)
        submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id) == (State.WAITING, TASK)
