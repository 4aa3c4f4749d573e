"""A job that was sent twice: the first images that arrive win, and the others are on record."""

from typing import Any

from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.callback_trust import CONFIRM_RETRY_S
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import kie_callback, kie_done, queued, waiting
from support.stub import Stub
from support.worker.callbacks import URL, arrive, come, counted, reasons, urls

ACCEPTED_AGAIN = (200, {"code": 200, "msg": "success", "data": {"taskId": "task-2"}})


def lost_and_retried(ctx: Context, stub: Stub) -> str:
    """A queued job whose first submission was never answered."""
    job_id = queued(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    LocalClient(ctx.settings, now=ctx.now).retry(job_id, pay_again=True)
    stub.answer = lambda *_: ACCEPTED_AGAIN
    return job_id


def test_success_before_the_retry_is_sent_pays_nothing(ctx: Context, stub: Stub) -> None:
    job_id = lost_and_retried(ctx, stub)
    come(ctx, job_id, kie_callback(URL))
    job = ctx.store.get(job_id)
    assert (job.state, urls(ctx, job_id), len(stub.posts)) == (State.DOWNLOADING, [URL], 1)
    assert (job.task_id, job.charged, counted(ctx)) == ("task-1", "yes", {"settled": 1})


def test_lost_task_wins_after_the_retry_was_accepted(ctx: Context, stub: Stub) -> None:
    job_id = lost_and_retried(ctx, stub)
    submit(ctx, job_id)
    come(ctx, job_id, kie_callback(URL))
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.former_tasks) == (
        State.DOWNLOADING,
        "task-1",
        ("task-2",),
    )


def test_second_result_is_noted_and_quarantined_once(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = lost_and_retried(ctx, stub)
    submit(ctx, job_id)
    for task in ("task-1", "task-2", "task-2"):
        clock.advance(1)
        come(ctx, job_id, kie_callback(f"https://a.example/{task}.png", task=task))
    job = ctx.store.get(job_id)
    assert urls(ctx, job_id) == ["https://a.example/task-1.png"]
    assert job.history[-1].cause == "callback reported images of task task-2 as well"
    assert reasons(ctx) == [Outcome.MISMATCHED]
    assert counted(ctx) == {"settled": 1, "mismatched": 1, "duplicate": 1}


def test_answer_after_a_former_success_is_noted(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    come(ctx, job_id, kie_callback(code=500))
    LocalClient(ctx.settings, now=ctx.now).retry(job_id, pay_again=True)

    def answer(*_: Any) -> Any:
        come(ctx, job_id, kie_callback(URL))
        return ACCEPTED_AGAIN

    stub.answer = answer
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.former_tasks) == (
        State.DOWNLOADING,
        "task-1",
        ("task-2",),
    )
    assert job.history[-1].cause == "accepted as task task-2, which is charged"
    assert urls(ctx, job_id) == [URL]


def test_lost_answer_after_a_former_success_is_noted(ctx: Context, stub: Stub) -> None:
    job_id = lost_and_retried(ctx, stub)

    def answer(*_: Any) -> Any:
        come(ctx, job_id, kie_callback(URL))

    stub.answer = answer
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, urls(ctx, job_id)) == (State.DOWNLOADING, [URL])
    assert job.history[-1].cause == "another submission had no answer: it may be charged"


def test_answer_after_a_retry_keeps_its_task(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = queued(ctx)

    def answer(*_: Any) -> Any:
        clock.advance(ctx.settings.lease_s + ctx.settings.submit_timeout_s)
        submit(ctx, job_id)  # the lease is over: another worker ends the submission
        LocalClient(ctx.settings, now=ctx.now).retry(job_id, pay_again=True)
        return 200, {"code": 200, "msg": "success", "data": {"taskId": "task-1"}}

    stub.answer = answer
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.former_tasks) == (State.QUEUED, None, ("task-1",))


def test_former_task_is_confirmed_by_its_own_id(ctx: Context, stub: Stub) -> None:
    requery = {"callback_trust": "requery"}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=requery)
    job_id = lost_and_retried(ctx, stub)
    arrive(ctx, job_id, kie_callback("https://evil.example/r.png"))
    stub.answer = lambda *_: (503, {})
    assert read_callbacks(ctx, job_id) == CONFIRM_RETRY_S
    stub.answer = lambda *_: kie_done(URL)
    assert read_callbacks(ctx, job_id) is None
    assert (ctx.store.get(job_id).state, urls(ctx, job_id)) == (State.DOWNLOADING, [URL])
    assert "taskId=task-1" in stub.asked[-1][1]
