"""Jobs of one provider in several services of its account: each asks its own service."""

import base64
import os
from collections.abc import Mapping
from typing import Any

import pytest

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub
from support.worker.polls import answering, come_due, done, run_polls

MODELS = ("nano-banana", "doubao-seedream-4-0-250828", "nano-banana-pro", "midjourney")


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    keys = {"acedata_api_key": "", "acedata_api_keys": "all:one,seeds/seedream:two"}
    return {**overrides, "acedata_base_url": stub.url, **keys}


def test_due_jobs_of_a_service_share_a_request(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = []
    for number, model in enumerate(MODELS):
        stub.answer = lambda *_, number=number: (200, {"task_id": f"task-{number}"})
        jobs.append(queued(ctx, provider="acedata", params={"model": model}))
        submit(ctx, jobs[-1])
    paths = [path for _, path, _ in stub.asked]
    assert paths == [
        "/nano-banana/images",
        "/seedream/images",
        "/nano-banana/images",
        "/midjourney/imagine",
    ]
    stub.asked.clear()
    answering(stub, {}, otherwise=done)
    run_polls(ctx, come_due(ctx, clock))

    asked: Mapping[str, Any] = {path: body for _, path, body in stub.asked}
    assert len(stub.asked) == 3
    assert asked["/nano-banana/tasks"]["ids"] == ["task-0", "task-2"]
    assert asked["/seedream/tasks"]["id"] == "task-1"
    assert asked["/midjourney/tasks"]["id"] == "task-3"
    assert {ctx.store.get(job_id).state for job_id in jobs} == {State.DOWNLOADING}


def test_service_takes_only_keys_that_serve_it(ctx: Context, stub: Stub) -> None:
    stub.answer = lambda *_: (200, {"task_id": "task-1"})
    for model, keys in ((MODELS[0], {"all"}), (MODELS[1], {"all", "seeds"})):
        job_ids = [queued(ctx, provider="acedata", params={"model": model}) for _ in range(6)]
        for job_id in job_ids:
            submit(ctx, job_id)
        assert {ctx.store.get(job_id).account_key for job_id in job_ids} == keys


def hold_images(task_id: str) -> dict[str, Any]:
    """A task whose images, 6 MB each as base64, are in its record."""
    data = [{"b64_json": base64.b64encode(os.urandom(4_500_000)).decode()} for _ in range(2)]
    return {"id": task_id, "response": {"success": True, "task_id": task_id, "data": data}}


@pytest.mark.parametrize("count", [1, 3])
def test_images_in_task_records_are_read_whole(
    ctx: Context, stub: Stub, clock: Clock, count: int
) -> None:
    jobs = []
    for number in range(count):
        stub.answer = lambda *_, number=number: (200, {"task_id": f"task-{number}"})
        jobs.append(queued(ctx, provider="acedata", params={"model": "gpt-image-1"}))
        submit(ctx, jobs[-1])
    stub.asked.clear()
    answering(stub, {}, otherwise=hold_images)
    run_polls(ctx, come_due(ctx, clock))
    assert all(len(body.get("ids", [])) <= 2 for body in stub.posts)
    first = ctx.store.get(jobs[0])
    assert (first.state, len(first.images)) == (State.DOWNLOADING, 2)
