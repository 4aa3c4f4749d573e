"""Jobs that go on with the task, or the result, of another job."""

import json

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.providers import get
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.jobs import KIE_ACCEPTED, TASK, move, queued
from support.stub import Stub
from support.worker.account_keys import bearers, change
from support.worker.needed_jobs import MIDJOURNEY, URL, succeed


def test_upscale_goes_on_with_the_task_of_a_job_and_its_key(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    stub.answer = lambda *_: KIE_ACCEPTED
    first = queued(ctx, provider=MIDJOURNEY, action="generate")
    submit(ctx, first)
    succeed(ctx, first)
    params = {"job": first, "image_index": 2}
    job_id = client.submit(MIDJOURNEY, action="upscale", params=params).id
    submit(ctx, job_id)
    assert stub.posts[-1]["taskId"] == TASK
    assert ctx.store.get(job_id).params == params


def test_work_on_a_result_of_midjourney_at_acedata_names_its_image(
    ctx: Context, client: LocalClient, stub: Stub, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, acedata_base_url=stub.url)
    midjourney = {"model": "midjourney"}
    stub.answer = lambda *_: (200, {"task_id": TASK})
    first = queued(ctx, provider="acedata", params=midjourney)
    submit(ctx, first)
    params = {**midjourney, "job": first, "image_index": 2}
    job_id = client.submit("acedata", action="upscale", params=params).id
    result = {"success": True, "task_id": TASK, "image_id": "i1", "image_url": URL.format(0)}
    status = get("acedata", midjourney).parse_callback(json.dumps(result).encode())
    apply_status(ctx, ctx.store.get(first), status, "callback")
    move(ctx, first, State.SUCCEEDED)
    submit(ctx, job_id)
    assert stub.asked[-1][1:] == (
        "/midjourney/imagine",
        {"action": "upscale3", "image_id": "i1", "async": True},
    )


def test_result_without_an_id_on_record_is_not_worked_on(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    job_id = queued(ctx, provider="acedata", params={"model": "midjourney"})
    succeed(ctx, job_id, task_id="t")
    params = {"model": "midjourney", "job": job_id, "image_index": 2}
    with pytest.raises(InvalidRequestError, match=r"needs the result of job_.*, of which no id"):
        client.submit("acedata", action="upscale", params=params)


def test_job_of_another_service_has_no_result_to_work_on(ctx: Context, client: LocalClient) -> None:
    job_id = queued(ctx, provider="acedata", params={"model": "flux-dev"})
    params = {"model": "midjourney", "job": job_id, "image_index": 2}
    with pytest.raises(InvalidRequestError, match=r"a job of acedata\.flux, whose tasks"):
        client.submit("acedata", action="upscale", params=params)


def test_task_of_an_early_record_is_that_of_the_main_key(
    ctx: Context, stub: Stub, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, kie_api_keys="a:one,b:two")
    stub.answer = lambda *_: KIE_ACCEPTED
    first = queued(ctx, provider=MIDJOURNEY, action="generate")
    succeed(ctx, first, task_id="t", account_key="")
    params = {"job": first, "image_index": 2}
    for _ in range(3):
        job_id = queued(ctx, provider=MIDJOURNEY, action="upscale", prompt="", params=params)
        while ctx.store.get(job_id).state is State.QUEUED:
            submit(ctx, job_id)
    assert bearers(stub) == ["a kie key"] * 3
