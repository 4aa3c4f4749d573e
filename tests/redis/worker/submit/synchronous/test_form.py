"""The form of an edit: its input images are fetched before anything is paid."""

from typing import Any

import pytest

from imagequeue.jobs.charge import Charged
from imagequeue.jobs.job import Reason, State
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub
from support.worker.downloads import make_image
from support.worker.synchronous import NAME, answer


def edit(ctx: Context, stub: Stub, *urls: str, **params: Any) -> str:
    params = {"model": "gpt-image-1", **params}
    job_id = queued(ctx, provider=NAME, action="edit", image_urls=urls, params=params)
    submit(ctx, job_id)
    return job_id


def test_edit_is_a_form_with_the_images(ctx: Context, stub: Stub) -> None:
    inputs = {"/in.png": make_image("PNG"), "/in.jpg": make_image("JPEG"), "/m": make_image("PNG")}
    stub.answer = lambda method, path, _: (
        (200, inputs[path]) if method == "GET" else answer(make_image())
    )
    urls = [f"{stub.url}/in.png", f"{stub.url}/in.jpg"]
    job_id = edit(ctx, stub, *urls, n=2, mask_url=f"{stub.url}/m")
    assert ctx.store.get(job_id).state is State.DOWNLOADING
    method, path, form = stub.asked[-1]
    assert (method, path) == ("POST", "/v1/images/edits")
    assert stub.headers[-1]["content-type"].startswith("multipart/form-data; boundary=")
    assert "authorization" not in stub.headers[0]
    for part in (b'name="prompt"\r\n\r\na cat', b'name="n"\r\n\r\n2', b'name="model"'):
        assert part in form
    assert form.count(b'name="image[]"; filename=') == 2
    assert b'name="mask"; filename="3.png"\r\nContent-Type: image/png' in form
    assert all(content in form for content in inputs.values())


@pytest.mark.parametrize(
    ("response", "message"),
    [((404, b""), "HTTP 404"), ((200, b"<html></html>"), "input image 1: ")],
)
def test_input_that_is_no_image_fails_the_job_unpaid(
    ctx: Context, stub: Stub, response: tuple[int, bytes], message: str
) -> None:
    stub.answer = lambda *_: response
    job = ctx.store.get(edit(ctx, stub, f"{stub.url}/in.png"))
    assert (job.state, job.error and job.error.reason) == (State.FAILED, Reason.BAD_INPUT)
    assert job.error
    assert message in job.error.message
    assert stub.posts == []
    assert job.charged is Charged.NO


def test_input_whose_host_is_down_is_fetched_later(ctx: Context, stub: Stub, clock: Clock) -> None:
    stub.answer = lambda *_: (503, b"")
    job_id = edit(ctx, stub, f"{stub.url}/in.png")
    for _ in range(ctx.settings.breaker_failures):
        clock.advance(100)
        submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.error and job.error.code) == (State.QUEUED, "input")
    assert ctx.pauses.list_all(ctx.now()) == []
    assert stub.posts == []


def test_input_at_a_private_address_is_refused(ctx: Context, stub: Stub) -> None:
    job = ctx.store.get(edit(ctx, stub, "http://127.0.0.1:1/in.png"))
    assert (job.state, stub.asked) == (State.FAILED, [])
