"""Input URLs are looked at before anything is paid: a fault fails the job, an obstacle does not."""

import io
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import Job, Reason, State
from imagequeue.producer.client import LocalClient
from imagequeue.store import image_keys, keys
from imagequeue.worker.context import Context
from imagequeue.worker.hand_over import HAND_OVER_S
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.message import Request, Response
from imagequeue.worker.input_urls import HEAD_BYTES, look_at
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED
from support.stub import Stub
from support.worker.account_keys import change
from support.worker.downloads import make_image

PNG, GIF = make_image("PNG"), make_image("GIF")
PAGE = b"<!doctype html><title>Not here</title>"
BACKGROUND = "recraft/remove-background"


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "check_input_images": "true",
        "kie_base_url": stub.url,
        "download_trusted_hosts": urlsplit(stub.url).netloc,
    }


def make_flat(kind: str, size: tuple[int, int]) -> bytes:
    """A large image that is made quickly."""
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, kind)
    return buffer.getvalue()


def serve(stub: Stub, *answers: Any) -> None:
    """Let the stub answer the looks one after the other, the last one from then on."""
    left = list(answers)

    def answer(method: str, *_: Any) -> Any:
        if method == "POST":
            return KIE_ACCEPTED
        return left.pop(0) if len(left) > 1 else left[0]

    stub.answer = answer


@pytest.fixture
def send(ctx: Context, stub: Stub) -> Callable[..., Job]:
    """Submits an edit of images of the stub, and returns the job after its turn."""

    def send(*paths: str, **fields: Any) -> Job:
        given = {"params": {"model": "qwen/image-edit"}, "prompt": "a hat", **fields}
        urls = [f"{stub.url}/{path}" for path in paths or ("a.png",)]
        job = LocalClient(ctx.settings, now=ctx.now).submit(
            "kie", action="edit", image_urls=urls, **given
        )
        submit(ctx, job.id)
        return ctx.store.get(job.id)

    return send


def message_of(job: Job) -> str:
    return job.error.message if job.error else ""


def count_looks(stub: Stub) -> int:
    return len([method for method, _, _ in stub.asked if method == "GET"])


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
        ((200, b"\0\0\0\x18ftypmp42"), "image_urls.0 is video/mp4"),
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


@pytest.mark.parametrize("answer", [(401, b""), (403, PAGE)])
def test_url_that_is_refused_to_us_is_sent_with_a_note(
    stub: Stub, send: Callable[..., Job], answer: Any
) -> None:
    serve(stub, answer)
    job = send()
    assert (job.state, len(stub.posts)) == (State.WAITING, 1)
    note = f"sent without a check of image_urls.0 (HTTP {answer[0]})"
    assert [entry.cause for entry in job.history] == [note, "submit", "accepted"]


def test_untrusted_private_address_is_no_fault(
    ctx: Context, overrides: dict[str, str], stub: Stub, send: Callable[..., Job]
) -> None:
    change(ctx, overrides, download_trusted_hosts="")
    vars(ctx.http)["_guard"] = type(vars(ctx.http)["_guard"])()
    serve(stub, (404, b""))
    job = send()
    assert (job.state, count_looks(stub)) == (State.WAITING, 0)
    assert "is a private address" in job.history[0].cause


@pytest.mark.parametrize("answer", [(503, b""), (429, b""), None])
def test_url_that_fails_for_now_is_tried_again_and_then_sent(
    ctx: Context, stub: Stub, send: Callable[..., Job], clock: Clock, answer: Any
) -> None:
    serve(stub, answer)
    job = send()
    for looks in (1, 2):
        assert (job.state, count_looks(stub), stub.posts) == (State.QUEUED, looks, [])
        assert ctx.submits.lease(clock(), 9).job_ids == []
        clock.advance(60)
        ctx.store.redis.delete(*ctx.store.redis.keys("iq:look:*"))
        assert ctx.submits.lease(clock(), 9).job_ids == [job.id]
        submit(ctx, job.id)
        job = ctx.store.get(job.id)
    assert (job.state, len(stub.posts), job.submissions) == (State.WAITING, 1, 1)
    assert job.history[0].cause.startswith("sent without a check of image_urls.0")


def test_look_that_waits_uses_no_part_of_the_rate_limit(
    ctx: Context, overrides: dict[str, str], stub: Stub, send: Callable[..., Job], clock: Clock
) -> None:
    change(ctx, overrides, kie_rate_limit="1/10")
    serve(stub, (503, b""), (404, b""), (200, PNG))
    states = []
    for path in "abc":
        states.append(send(path).state)
        clock.advance(2)  # two permits are never granted at the same instant
    assert states == [State.QUEUED, State.FAILED, State.WAITING]


def test_one_photo_of_many_jobs_is_fetched_once(stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, PNG))
    states = [send("same.png", "same.png", params={"model": "nano-banana-2"}).state for _ in "abc"]
    assert (states, count_looks(stub)) == ([State.WAITING] * 3, 1)
    # Another model has other bounds.
    assert send("same.png", params={"model": BACKGROUND}, prompt="").state is State.FAILED
    assert count_looks(stub) == 1


def test_host_without_an_answer_is_not_asked_by_every_job(
    ctx: Context, stub: Stub, send: Callable[..., Job]
) -> None:
    serve(stub, None)
    assert [send(path).state for path in "abc"] == [State.QUEUED] * 3
    assert count_looks(stub) == 1


def test_damaged_look_counts_as_none(ctx: Context, stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, PNG))
    ctx.store.redis.set(image_keys.look(f"{stub.url}/a.png"), "damaged")
    assert (send().state, count_looks(stub)) == (State.WAITING, 1)


def test_switched_off_check_looks_at_nothing(
    ctx: Context, overrides: dict[str, str], stub: Stub, send: Callable[..., Job]
) -> None:
    change(ctx, overrides, check_input_images="false")
    serve(stub, (404, b""))
    assert (send().state, count_looks(stub)) == (State.WAITING, 0)


def test_unchecked_request_may_start_from_no_image(stub: Stub, send: Callable[..., Job]) -> None:
    serve(stub, (200, b"\0\0\0\x18ftypmp42"))
    for model in ("kling/motion", "qwen/image-edit"):
        params = {"model": model, "unchecked": True, "images_field": "video_urls"}
        assert (send(params=params).state, count_looks(stub)) == (State.WAITING, 0)


def test_worker_that_dies_during_a_look_leaves_the_job_queued(
    ctx: Context, send: Callable[..., Job], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases: list[float] = []

    def die(*_: Any) -> None:
        due: Any = ctx.store.redis.zrange(keys.due(Queue.SUBMIT), 0, 0, withscores=True)
        leases.append(due[0][1] - clock().timestamp())
        raise KeyboardInterrupt

    monkeypatch.setattr(type(ctx.http), "send", die)
    with pytest.raises(KeyboardInterrupt):
        send()
    assert leases == [HAND_OVER_S + ctx.settings.lease_s]
    assert ctx.store.redis.zcard(keys.index(State.QUEUED)) == 1


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
