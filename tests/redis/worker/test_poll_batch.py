"""Polls that come due together go in one request, and each job fares as if it were polled alone."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.job import Job, State
from imagequeue.providers.wire import ResultImage, Succeeded, TaskStatus
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.settle import apply_status, settle
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued, waiting
from support.processes import eventually
from support.sandbox import Sandbox
from support.stub import Stub

FIRST_S = 60
Item = Callable[[str], Any]


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "acedata_base_url": stub.url}


def pending(task_id: str) -> dict[str, Any]:
    return {"id": task_id, "response": None}


def done(task_id: str) -> dict[str, Any]:
    images = [{"image_url": f"https://a.example/{task_id}.png"}]
    return {"id": task_id, "response": {"success": True, "task_id": task_id, "data": images}}


def refused(task_id: str) -> dict[str, Any]:
    error = {"code": "forbidden", "message": "its words"}
    return {"id": task_id, "response": {"success": False, "error": error}}


def garbage(task_id: str) -> dict[str, Any]:
    return {"id": task_id, "response": [7]}


def unknown(_: str) -> None:
    return None


def accepted(ctx: Context, stub: Stub, count: int) -> list[str]:
    """Jobs that AceData took as task-0, task-1 and so on."""
    job_ids = []
    for number in range(count):
        stub.answer = lambda *_, number=number: (200, {"task_id": f"task-{number}"})
        job_ids.append(queued(ctx, provider="acedata-flux"))
        submit(ctx, job_ids[-1])
    stub.asked.clear()
    return job_ids


def answering(stub: Stub, items: Mapping[str, Item], otherwise: Item = pending) -> None:
    """The stub answers on each task as it is told to, on one or on many."""

    def answer(_: str, __: str, body: Any) -> Any:
        if body["action"] == "retrieve":
            return 200, items.get(body["id"], otherwise)(body["id"]) or {}
        found = [items.get(task_id, otherwise)(task_id) for task_id in body["ids"]]
        known = [item for item in found if item is not None]
        return 200, {"items": known, "count": len(known)}

    stub.answer = answer


def come_due(ctx: Context, clock: Clock, seconds: float = FIRST_S) -> list[str]:
    """The first polls' time has come, and a sweep has hinted them."""
    clock.advance(seconds)
    return ctx.dispatcher.sweep(Queue.POLL, clock()).dispatched


def hints_arrive(ctx: Context, job_ids: list[str]) -> None:
    """What the poll task does with each."""
    for job_id in job_ids:
        try:
            if (in_s := poll(ctx, job_id)) is not None:
                until = ctx.now().timestamp() + in_s
                ctx.store.redis.zadd(keys.due(Queue.POLL), {job_id: until}, xx=True)
        except InvalidTransitionError:
            continue


def in_s(ctx: Context, job_id: str) -> float:
    """The seconds to a job's next poll."""
    score = ctx.store.redis.zscore(keys.due(Queue.POLL), job_id)
    assert isinstance(score, float)
    return score - ctx.now().timestamp()


def test_jobs_due_together_are_asked_about_in_one_request(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = accepted(ctx, stub, 10)
    says = {"task-1": done, "task-2": refused, "task-3": garbage, "task-4": unknown}
    answering(stub, says)
    assert come_due(ctx, clock) == jobs
    hints_arrive(ctx, jobs)
    (body,) = stub.posts
    assert body == {"action": "retrieve_batch", "ids": [f"task-{n}" for n in range(10)]}
    found = [ctx.store.get(job_id) for job_id in jobs]
    assert [job.state for job in found[:3]] == [State.WAITING, State.DOWNLOADING, State.FAILED]
    assert [image.source_url for image in found[1].images] == ["https://a.example/task-1.png"]
    assert found[1].history[-1].cause == "poll"
    assert found[2].error
    assert (found[2].error.code, found[2].error.message) == ("forbidden", "its words")
    assert {job.state for job in found[3:]} == {State.WAITING}
    assert 30 <= in_s(ctx, jobs[3]) <= 60
    assert [in_s(ctx, job_id) for job_id in (jobs[0], *jobs[4:])] == [300] * 7
    for job_id in jobs[1:3]:
        assert ctx.store.redis.zscore(keys.due(Queue.POLL), job_id) is None


def test_later_polls_go_on_as_if_each_job_were_alone(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {})
    for countdown in (60, 300, 900, 1800):
        hints_arrive(ctx, come_due(ctx, clock, countdown))
    assert len(stub.posts) == 4
    assert [ctx.store.get(job_id).state for job_id in jobs] == [State.OVERDUE] * 3
    assert [in_s(ctx, job_id) for job_id in jobs] == [1800] * 3
    hints_arrive(ctx, come_due(ctx, clock, ctx.settings.give_up_after_s))
    assert [ctx.store.get(job_id).state for job_id in jobs] == [State.FAILED] * 3


def test_a_job_that_is_due_alone_is_asked_about_alone(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = accepted(ctx, stub, 1)
    answering(stub, {"task-0": done})
    hints_arrive(ctx, come_due(ctx, clock))
    assert stub.posts == [{"action": "retrieve", "id": "task-0"}]
    assert ctx.store.get(jobs[0]).state is State.DOWNLOADING


def test_only_what_the_provider_has_is_in_its_batch(ctx: Context, stub: Stub, clock: Clock) -> None:
    kie = waiting(ctx, stub)
    jobs = accepted(ctx, stub, 2)
    unconfirmed, sleeping = queued(ctx, provider="acedata-flux"), waiting(ctx, stub)
    stub.answer = lambda *_: None
    submit(ctx, unconfirmed)
    ctx.store.redis.zadd(keys.due(Queue.POLL), {unconfirmed: 0, sleeping: clock().timestamp() + 99})
    assert set(come_due(ctx, clock)) == {kie, unconfirmed, *jobs}
    stub.asked.clear()
    answering(stub, {})
    hints_arrive(ctx, jobs)
    assert [body["ids"] for body in stub.posts] == [["task-0", "task-1"]]
    assert [in_s(ctx, job_id) for job_id in (kie, unconfirmed)] == [ctx.settings.lease_s] * 2
    assert in_s(ctx, sleeping) == 39


def test_a_request_names_no_more_tasks_than_it_may(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 60)
    answering(stub, {}, otherwise=done)
    hints_arrive(ctx, come_due(ctx, clock))
    assert [len(body["ids"]) for body in stub.posts] == [50, 10]
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.DOWNLOADING}


@pytest.mark.parametrize(
    ("answer", "least_s"),
    [
        (None, 30),
        ((500, b"oops"), 30),
        ((200, b"not JSON"), 30),
        ((200, {"items": 7}), 30),
        ((429, {}, {"Retry-After": "100"}), 100),
        # Sooner than the other hints can be told from good ones.
        ((429, {}, {"Retry-After": "3"}), 30),
    ],
    ids=["hangs up", "500", "not JSON", "no items", "429", "429, soon"],
)
def test_a_request_that_fails_puts_all_of_them_off(
    ctx: Context, stub: Stub, clock: Clock, answer: Any, least_s: float
) -> None:
    jobs = accepted(ctx, stub, 10)
    stub.answer = lambda *_: answer
    hints_arrive(ctx, come_due(ctx, clock))
    assert len(stub.posts) == 1
    waits = [in_s(ctx, job_id) for job_id in jobs]
    assert all(least_s <= wait <= 2 * least_s for wait in waits)
    assert len(set(waits)) > 1, "they would all come back at once"
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.WAITING}


def test_without_a_key_all_of_them_still_reach_the_give_up(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = accepted(ctx, stub, 3)
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"acedata_api_key": None})
    hints_arrive(ctx, come_due(ctx, clock, ctx.settings.give_up_after_s))
    assert stub.posts == []
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.FAILED}


def test_what_a_callback_settles_in_between_stays_as_it_is(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {}, otherwise=done)
    batch = stub.answer

    def answer(*request: Any) -> Any:
        image = ResultImage(url="https://a.example/called_back.png", lifetime_s=60)
        settle(
            ctx, ctx.store.get(jobs[1]), Succeeded(images=(image,), task_id="task-1"), "callback"
        )
        return batch(*request)

    stub.answer = answer
    hints_arrive(ctx, come_due(ctx, clock))
    assert len(stub.posts) == 1
    causes = [ctx.store.get(job_id).history[-1].cause for job_id in jobs]
    assert causes == ["poll", "callback", "poll"]
    (image,) = ctx.store.get(jobs[1]).images
    assert image.source_url == "https://a.example/called_back.png"
    assert ctx.store.redis.llen("poll") == 3, "an ordinary end, and no reason to hint it again"


def test_workers_that_are_hinted_at_once_ask_about_each_task_once(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = accepted(ctx, stub, 10)
    answering(stub, {})
    come_due(ctx, clock)
    barrier = threading.Barrier(len(jobs))

    def arrive(job_id: str) -> None:
        barrier.wait()
        hints_arrive(ctx, [job_id])

    threads = [threading.Thread(target=arrive, args=(job_id,)) for job_id in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [task for body in stub.posts for task in body.get("ids", [body.get("id")])]
    assert sorted(asked) == [f"task-{n}" for n in range(10)]


def test_a_claim_whose_worker_died_runs_out(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 3)
    come_due(ctx, clock)
    assert ctx.wakeups.claim(Queue.POLL, jobs, clock()) == jobs
    answering(stub, {}, otherwise=done)
    hints_arrive(ctx, jobs)
    assert stub.posts == []
    assert come_due(ctx, clock, 2 * ctx.settings.lease_s) == jobs
    hints_arrive(ctx, jobs)
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.DOWNLOADING}


def test_a_job_that_breaks_does_so_alone_and_comes_up_again_on_its_own(
    ctx: Context, stub: Stub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {}, otherwise=done)

    def break_one(context: Context, report: TaskStatus, cause: str, job: Job) -> Job:
        if job.id == jobs[1]:
            raise ZeroDivisionError
        return apply_status(context, report, cause, job)

    for module in ("poll", "settle"):
        monkeypatch.setattr(f"imagequeue.worker.{module}.apply_status", break_one)
    come_due(ctx, clock)
    ctx.store.redis.delete("poll")
    poll(ctx, jobs[0])
    states = [ctx.store.get(job_id).state for job_id in jobs]
    assert states == [State.DOWNLOADING, State.WAITING, State.DOWNLOADING]
    clock.advance(2 * ctx.settings.lease_s)
    assert ctx.dispatcher.sweep(Queue.POLL, ctx.now()).dispatched == [jobs[1]]
    with pytest.raises(ZeroDivisionError):
        poll(ctx, jobs[1])


def test_a_record_that_cannot_be_read_leaves_the_others_polled(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {}, otherwise=done)
    come_due(ctx, clock)
    ctx.store.redis.set(keys.record(jobs[1]), b'{"rev":"00","state":"dreaming"}')
    hints_arrive(ctx, [jobs[0], jobs[2]])
    assert ctx.store.get(jobs[0]).state is ctx.store.get(jobs[2]).state is State.DOWNLOADING


@pytest.fixture
def at_the_sandbox(ctx: Context, sandbox_url: str) -> Sandbox:
    update = {"acedata_base_url": sandbox_url}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=update)
    return Sandbox(sandbox_url)


def test_at_the_sandbox(ctx: Context, clock: Clock, at_the_sandbox: Sandbox) -> None:
    prompts = ["a cat", "a dog", "a bird [fail=403]", "a fish [stuck]"]
    jobs = [queued(ctx, provider="acedata-flux", prompt=prompt) for prompt in prompts]
    for job_id in jobs:
        submit(ctx, job_id)
    ids = [ctx.store.get(job_id).task_id for job_id in jobs]
    request = {"action": "retrieve_batch", "ids": ids[:3]}

    def finished() -> bool:
        items = at_the_sandbox.post("/flux/tasks", request).json()["items"]
        return all("finished_at" in item for item in items)

    def lookups() -> int:
        return int(
            at_the_sandbox.get("/sandbox/ledger").json()["providers"]["acedata-flux"]["lookups"]
        )

    eventually(finished)
    before = lookups()
    hints_arrive(ctx, come_due(ctx, clock))
    assert lookups() == before + 1
    found = [ctx.store.get(job_id) for job_id in jobs]
    done, failed, waits = State.DOWNLOADING, State.FAILED, State.WAITING
    assert [job.state for job in found] == [done, done, failed, waits]
    assert all(job.images[0].source_url.startswith(at_the_sandbox.url) for job in found[:2])
    assert found[2].error
    assert found[2].error.reason == "policy"
