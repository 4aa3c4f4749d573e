"""A provider that answers with the images: they are stored with the outcome, then saved."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.charge import Charged
from imagequeue.jobs.job import Reason, State, add_seconds
from imagequeue.producer.client import Client
from imagequeue.providers import get
from imagequeue.store import keys
from imagequeue.store.inline_images import InlineImages
from imagequeue.worker import outcome
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.paid_request import get_timeout_s
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub
from support.worker.callbacks import URL, come, urls
from support.worker.downloads import folder_of, make_image

NAME = "openai-images"


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    trusted = urlsplit(stub.url).netloc
    keys = {"openai_api_key": "an openai key", "openai_base_url": f"{stub.url}/v1"}
    others = {"acedata_base_url": stub.url, "breaker_failures": "2"}
    return {**overrides, **keys, **others, "download_trusted_hosts": trusted}


def answer(*contents: bytes) -> tuple[int, dict[str, Any]]:
    data = [{"b64_json": base64.b64encode(each).decode()} for each in contents]
    return 200, {"created": 1, "data": data}


def list_inline(ctx: Context, job_id: str) -> list[bytes]:
    return sorted(ctx.store.redis.scan_iter(f"iq:inline:{job_id}:*"))


def submit_one(ctx: Context, stub: Stub, *contents: bytes) -> str:
    stub.answer = lambda *_: answer(*contents)
    job_id = queued(ctx, provider=NAME)
    submit(ctx, job_id)
    return job_id


def test_images_are_stored_apart_from_the_record_until_saved(ctx: Context, stub: Stub) -> None:
    images = [make_image("PNG"), make_image("WEBP", (9, 7))]
    job_id = submit_one(ctx, stub, *images)
    job = ctx.store.get(job_id)
    assert (job.state, job.charged) == (State.DOWNLOADING, Charged.YES)
    assert stub.asked[0][:2] == ("POST", "/v1/images/generations")
    assert {image.source_url.partition(":")[0] for image in job.images} == {"inline"}
    assert len(list_inline(ctx, job_id)) == 2
    record: Any = ctx.store.redis.get(keys.record(job_id))
    assert len(record) < 2_000
    ttls: list[Any] = [ctx.store.redis.ttl(each) for each in list_inline(ctx, job_id)]
    assert all(0 < ttl <= 25 * 3600 for ttl in ttls)

    assert download(ctx, job_id) is None

    job = ctx.store.get(job_id)
    assert job.state is State.SUCCEEDED
    assert [image.content_type for image in job.images] == ["image/png", "image/webp"]
    saved = [(folder_of(ctx) / job_id / name).read_bytes() for name in ("0.png", "1.webp")]
    assert saved == images
    assert list_inline(ctx, job_id) == []


def test_lost_response_is_unconfirmed_and_never_sent_again(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    stub.answer = lambda *_: None
    job_id = queued(ctx, provider=NAME)
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED
    clock.advance(ctx.settings.unconfirmed_after_s)
    poll(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.error and job.error.reason) == (State.FAILED, Reason.UNCONFIRMED)
    assert job.charged is Charged.UNKNOWN
    assert len(stub.asked) == 1


def test_response_is_waited_for_and_leased_longer_than_others(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx, provider=NAME)
    assert get_timeout_s(ctx, ctx.store.get(job_id)) == get(NAME).submit_timeout_s == 240
    leases: list[float] = []

    def look(*_: Any) -> tuple[int, dict[str, Any]]:
        leases.append((ctx.store.get(job_id).wake_at - ctx.now()).total_seconds())
        return answer(make_image())

    stub.answer = look
    submit(ctx, job_id)
    assert leases == [245]


@pytest.mark.parametrize("content", [make_image()[:-20], b"<html></html>", b"abc"])
def test_what_is_no_image_is_not_saved(ctx: Context, stub: Stub, content: bytes) -> None:
    job_id = submit_one(ctx, stub, content)
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert (job.state, job.charged) == (State.UNSAVED, Charged.YES)
    assert len(list_inline(ctx, job_id)) == 1


def test_image_that_was_kept_too_long_is_reported(ctx: Context, stub: Stub) -> None:
    job_id = submit_one(ctx, stub, make_image())
    ctx.store.redis.delete(*list_inline(ctx, job_id))
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert job.state is State.UNSAVED
    assert "stored for a day" in (job.images[0].error or "")


def test_deadline_of_an_inline_image_is_a_day(ctx: Context, stub: Stub) -> None:
    job = ctx.store.get(submit_one(ctx, stub, make_image()))
    assert job.deadline == add_seconds(ctx.now(), 86_400)


def test_response_is_kept_while_redis_is_away(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "RECORD_RETRY_S", 0)
    put, failures = InlineImages.put, [RedisConnectionError(), RedisConnectionError()]

    def fail_twice(self: InlineImages, *args: Any) -> None:
        if failures:
            raise failures.pop()
        put(self, *args)

    monkeypatch.setattr(InlineImages, "put", fail_twice)
    job_id = submit_one(ctx, stub, make_image())
    assert failures == []
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED
    assert len(stub.asked) == 1


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


def test_image_without_a_url_is_handed_over_from_the_storage(ctx: Context, stub: Stub) -> None:
    content = make_image()
    first = submit_one(ctx, stub, content)
    download(ctx, first)
    client = Client(ctx.settings, now=ctx.now)
    edit: dict[str, Any] = {"action": "edit", "prompt": "a hat", "image_urls": [first]}
    submit(ctx, client.submit(NAME, params={"model": "gpt-image-1"}, **edit).id)
    assert content in stub.asked[-1][2]
    with pytest.raises(InvalidRequestError, match="IMAGEQUEUE_PUBLIC_URL is not set"):
        client.submit("acedata-flux", **edit)


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
