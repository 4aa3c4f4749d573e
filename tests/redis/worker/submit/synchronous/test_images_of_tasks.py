"""Images inside of the records of tasks, and final answers to a submission."""

import base64

from imagequeue.jobs.charge import Charged
from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub
from support.worker.callbacks import URL, come, urls
from support.worker.downloads import folder_of, make_image
from support.worker.synchronous import answer, list_inline


def test_inline_image_of_a_poll_is_saved(ctx: Context, stub: Stub, clock: Clock) -> None:
    stub.answer = lambda *_: (200, {"task_id": "task-1"})
    job_id = queued(ctx, provider="acedata", params={"model": "gpt-image-2"})
    submit(ctx, job_id)
    response = {"success": True, "task_id": "task-1", **answer(make_image())[1]}
    stub.answer = lambda *_: (200, {"id": "task-1", "response": response})
    clock.advance(60)
    poll(ctx, job_id)
    assert len(list_inline(ctx, job_id)) == 1
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED
    assert list_inline(ctx, job_id) == []


def test_final_answer_without_the_id_of_its_task_is_downloaded(ctx: Context, stub: Stub) -> None:
    final = {"success": True, "data": [{"image_url": URL}]}
    stub.answer = lambda *_: (200, final)
    job_id = queued(ctx, provider="acedata-flux")
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.charged, len(stub.posts)) == (State.DOWNLOADING, Charged.YES, 1)
    come(ctx, job_id, {**final, "task_id": "task-1"})
    assert urls(ctx, job_id) == [URL]


def test_image_that_is_gone_is_looked_up_where_there_is_a_task(ctx: Context, stub: Stub) -> None:
    content = make_image()
    data = [{"b64_json": base64.b64encode(content).decode()}]
    done = {"success": True, "task_id": "task-1", "data": data}
    stub.answer = lambda *_: (200, done)
    job_id = queued(ctx, provider="acedata", params={"model": "gpt-image-1"})
    submit(ctx, job_id)
    ctx.store.redis.delete(*list_inline(ctx, job_id))
    stub.answer = lambda *_: (200, {"id": "task-1", "response": done})
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED
    assert (folder_of(ctx) / job_id / "0.png").read_bytes() == content
    assert list_inline(ctx, job_id) == []
