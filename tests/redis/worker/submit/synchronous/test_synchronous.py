"""A provider that answers with the images: they are stored with the outcome, then saved."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.charge import Charged
from imagequeue.jobs.job import Reason, State, add_seconds
from imagequeue.producer.client import LocalClient
from imagequeue.providers import get
from imagequeue.store import keys
from imagequeue.store.images.inline import InlineImages
from imagequeue.worker import outcome
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.paid_request import get_timeout_s
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub
from support.worker.downloads import folder_of, make_image
from support.worker.synchronous import NAME, answer, list_inline, submit_one


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


def test_image_without_a_url_is_handed_over_from_the_storage(ctx: Context, stub: Stub) -> None:
    content = make_image()
    first = submit_one(ctx, stub, content)
    download(ctx, first)
    client = LocalClient(ctx.settings, now=ctx.now)
    edit: dict[str, Any] = {"action": "edit", "prompt": "a hat", "image_urls": [first]}
    submit(ctx, client.submit(NAME, params={"model": "gpt-image-1"}, **edit).id)
    assert content in stub.asked[-1][2]
    with pytest.raises(InvalidRequestError, match="IMAGEQUEUE_PUBLIC_URL is not set"):
        client.submit("acedata-flux", **edit)
