"""Jobs that are due together are polled in one request."""

from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import State
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued, waiting
from support.processes import eventually
from support.sandbox import Sandbox
from support.stub import Stub
from support.worker.polls import accepted, answering, come_due, done, in_s, run_polls


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "acedata_base_url": stub.url}


def refused(task_id: str) -> dict[str, Any]:
    error = {"code": "forbidden", "message": "its words"}
    return {"id": task_id, "response": {"success": False, "error": error}}


def garbage(task_id: str) -> dict[str, Any]:
    return {"id": task_id, "response": [7]}


def unknown(_: str) -> None:
    return None


def test_due_jobs_share_one_request(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 10)
    says = {"task-1": done, "task-2": refused, "task-3": garbage, "task-4": unknown}
    answering(stub, says)
    assert come_due(ctx, clock) == jobs
    run_polls(ctx, jobs)
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


def test_later_polls_follow_each_jobs_schedule(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 3)
    answering(stub, {})
    for countdown in (60, 300, 900, 1800):
        run_polls(ctx, come_due(ctx, clock, countdown))
    assert len(stub.posts) == 4
    assert [ctx.store.get(job_id).state for job_id in jobs] == [State.OVERDUE] * 3
    assert [in_s(ctx, job_id) for job_id in jobs] == [1800] * 3
    run_polls(ctx, come_due(ctx, clock, ctx.settings.give_up_after_s))
    assert [ctx.store.get(job_id).state for job_id in jobs] == [State.FAILED] * 3


def test_lone_due_job_is_polled_alone(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 1)
    answering(stub, {"task-0": done})
    run_polls(ctx, come_due(ctx, clock))
    assert stub.posts == [{"action": "retrieve", "id": "task-0"}]
    assert ctx.store.get(jobs[0]).state is State.DOWNLOADING


def test_batch_holds_only_the_providers_tasks(ctx: Context, stub: Stub, clock: Clock) -> None:
    kie = waiting(ctx, stub)
    jobs = accepted(ctx, stub, 2)
    unconfirmed, sleeping = queued(ctx, provider="acedata-flux"), waiting(ctx, stub)
    stub.answer = lambda *_: None
    submit(ctx, unconfirmed)
    ctx.store.redis.zadd(keys.due(Queue.POLL), {unconfirmed: 0, sleeping: clock().timestamp() + 99})
    assert set(come_due(ctx, clock)) == {kie, unconfirmed, *jobs}
    stub.asked.clear()
    answering(stub, {})
    run_polls(ctx, jobs)
    assert [body["ids"] for body in stub.posts] == [["task-0", "task-1"]]
    assert [in_s(ctx, job_id) for job_id in (kie, unconfirmed)] == [ctx.settings.lease_s] * 2
    assert in_s(ctx, sleeping) == 39


def test_batch_size_is_limited(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = accepted(ctx, stub, 60)
    answering(stub, {}, otherwise=done)
    run_polls(ctx, come_due(ctx, clock))
    assert [len(body["ids"]) for body in stub.posts] == [50, 10]
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.DOWNLOADING}


@pytest.fixture
def at_the_sandbox(ctx: Context, sandbox_url: str) -> Sandbox:
    update = {"acedata_base_url": sandbox_url}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=update)
    return Sandbox(sandbox_url)


def test_batch_at_the_sandbox(ctx: Context, clock: Clock, at_the_sandbox: Sandbox) -> None:
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
    run_polls(ctx, come_due(ctx, clock))
    assert lookups() == before + 1
    found = [ctx.store.get(job_id) for job_id in jobs]
    done, failed, waits = State.DOWNLOADING, State.FAILED, State.WAITING
    assert [job.state for job in found] == [done, done, failed, waits]
    assert all(job.images[0].source_url.startswith(at_the_sandbox.url) for job in found[:2])
    assert found[2].error
    assert found[2].error.reason == "policy"
