"""Input URLs are looked at before anything is paid: a fault fails the job."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from imagequeue.jobs.job import Job, Reason, State
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.message import Request, Response
from imagequeue.worker.inputs.urls import HEAD_BYTES, look_at
from support.stub import Stub
from support.worker.account_keys import change
from support.worker.downloads import make_image
from support.worker.input_urls import BACKGROUND, PAGE, PNG, VIDEO, count_looks, make_flat, serve

GIF = make_image("GIF")


def message_of(job: Job) -> str:
    return job.error.message if job.error else ""


def test_image_within_the_bounds_is_sent(stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, PNG))
    job = send()
    assert job.state is State.WAITING
    assert [entry.cause for entry in job.history] == ["submit", "accepted"]
    assert stub.headers[0]["range"] == f"bytes=0-{HEAD_BYTES - 1}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, PNG), "image_urls.0 leads to nothing (HTTP 404)"),
        ((410, b""), "image_urls.0 leads to nothing (HTTP 410)"),
        ((200, PAGE), "image_urls.0 is no image, the file is a web page"),
        ((200, b""), "image_urls.0 is no image, the file is empty"),
        ((200, VIDEO), "image_urls.0 is video/mp4"),
        ((200, b"\0\0\0\x18ftypheic"), "is a HEIC image, and the model takes JPEG, PNG or WEBP"),
        ((200, GIF), "is image/gif, and the model takes JPEG, PNG or WEBP: convert it"),
        (
            (206, PNG, {"Content-Range": "bytes 0-99/11000000"}),
            "has 10.5 MB, and the model takes up to 10 MB: make it smaller",
        ),
        ((200, PNG + bytes(11_000_000)), "has 10.5 MB, and"),
    ],
)
def test_faulty_input_fails_the_job_unpaid(
    ctx: Context, stub: Stub, send: Callable[..., Job], answer: Any, words: str
) -> None:
    serve(stub, answer)
    job = send()
    assert (job.state, job.charged, stub.posts) == (State.FAILED, "no", [])
    assert words in message_of(job)
    assert job.error
    assert (job.error.reason, job.error.code) == (Reason.BAD_INPUT, "input")
    assert stub.url not in job.error.message
    assert not ctx.store.redis.exists(keys.PERMITS)


def test_image_beyond_a_bound_in_pixels_fails_the_job(stub: Stub, send: Callable[..., Job]) -> None:
    params = {"params": {"model": BACKGROUND}, "prompt": ""}
    for kind, size, words in [
        ("PNG", (255, 300), "has 255 x 300 pixels, and the model takes sides of at least 256"),
        ("JPEG", (4097, 300), "sides of up to 4096"),
        ("PNG", (4096, 4000), "up to 16 megapixels"),
    ]:
        content = make_flat(kind, size)
        whole = {"Content-Range": f"bytes 0-99/{100_000}"}
        serve(stub, (206, content[:HEAD_BYTES], whole))
        job = send(words.replace(" ", "-"), **params)
        assert words in message_of(job)
    serve(stub, (200, make_flat("JPEG", (256, 4096))))
    assert send("ok", **params).state is State.WAITING


def test_each_faulty_url_is_named(stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, PNG), (404, b""), (200, PAGE))
    job = send("a", "b", "c", params={"model": "nano-banana-2"})
    assert "image_urls.0" not in message_of(job)
    assert "image_urls.1 leads" in message_of(job)
    assert "image_urls.2 is no image" in message_of(job)


def test_switched_off_check_looks_at_nothing(
    ctx: Context, overrides: dict[str, str], stub: Stub, send: Callable[..., Job]
) -> None:
    change(ctx, overrides, check_input_images="false")
    serve(stub, (404, b""))
    assert (send().state, count_looks(stub)) == (State.WAITING, 0)


def test_unchecked_request_may_start_from_no_image(stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, VIDEO))
    for model in ("kling/motion", "qwen/image-edit"):
        params = {"model": model, "unchecked": True, "images_field": "video_urls"}
        assert (send(params=params).state, count_looks(stub)) == (State.WAITING, 0)


def test_no_more_than_the_head_of_a_large_file_is_read(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    receive = type(ctx.http).send

    def send(http: HttpClient, request: Request) -> Response:
        response = receive(http, request)
        read.append(len(response.body))
        return response

    monkeypatch.setattr(type(ctx.http), "send", send)
    serve(stub, (200, make_image("PNG") + bytes(2 * HEAD_BYTES)))
    look = look_at(ctx, f"{stub.url}/large", time.monotonic() + 5)
    assert look.image
    assert look.image[2:] == (8, 6)
    assert look.image.bytes
    assert look.image.bytes > 2 * HEAD_BYTES
    assert read == [HEAD_BYTES]
