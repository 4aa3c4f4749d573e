"""Callbacks: early, late, repeated and mismatched ones all have a defined outcome."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from pydantic import SecretStr

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.providers.wire import MAX_IMAGES
from imagequeue.store import keys
from imagequeue.store.callbacks import MAX_UNREAD
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import (
    KIE_ACCEPTED,
    KIE_PENDING,
    TASK,
    kie_callback,
    path,
    queued,
    waiting,
)
from support.stub import Stub
from support.worker.callbacks import URL, arrive, counted


def test_provider_gets_the_jobs_own_url(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    url = stub.posts[0]["callBackUrl"]
    assert url.startswith(f"http://callbacks.example/callbacks/kie-flux-kontext/{job_id}/")


def test_callback_settles_job_and_removes_poll(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.history[-1].cause) == (State.DOWNLOADING, "callback")
    assert ctx.store.redis.zscore(keys.due(Queue.POLL), job_id) is None
    assert ctx.store.redis.zscore(keys.due(Queue.CALLBACK), job_id) is None
    assert not ctx.inbox.list_unread(job_id)


def test_images_beyond_the_bound_are_left_out_and_noted(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = waiting(ctx, stub, provider="kie-midjourney")
    urls = [f"{URL}?{number}" for number in range(3000)]
    body = {"code": 200, "msg": "success", "data": {"taskId": TASK, "resultUrls": urls}}
    arrive(ctx, job_id, body)
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert [image.source_url for image in job.images] == urls[:MAX_IMAGES]
    assert job.history[-1].cause == f"callback, with the first {MAX_IMAGES} of 3000 images"
    assert job.state is State.DOWNLOADING
    clock.advance(1)
    arrive(ctx, job_id, body)
    read_callbacks(ctx, job_id)
    assert counted(ctx) == {"settled": 1, "duplicate": 1}


def test_repeated_callbacks_settle_once(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = waiting(ctx, stub)
    for _ in range(3):
        # At different times, or they would be one entry.
        clock.advance(1)
        arrive(ctx, job_id, kie_callback(URL))
    assert len(ctx.inbox.list_unread(job_id)) == 3
    read_callbacks(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "waiting", "downloading"]


def test_callback_before_response_sets_the_task(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)

    def answer(*_: Any) -> Any:
        arrive(ctx, job_id, kie_callback(URL))
        read_callbacks(ctx, job_id)
        return KIE_ACCEPTED

    stub.answer = answer
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert path(job) == ["queued", "submitting", "downloading"]
    assert job.task_id == TASK


def test_callback_makes_up_for_a_lost_response(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.error) == (State.DOWNLOADING, TASK, None)
    assert len(stub.posts) == 1


def test_success_after_timeout_revives_job(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    clock.advance(ctx.settings.give_up_after_s)
    poll(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_result_of_cancelled_job_is_recorded_only(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    LocalClient(ctx.settings, now=ctx.now).cancel(job_id)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, [image.source_url for image in job.images]) == (State.CANCELLED, [URL])
    assert ctx.store.redis.zscore(keys.due(Queue.DOWNLOAD), job_id) is None


@pytest.mark.parametrize(
    "body",
    [
        kie_callback(URL, task="another task"),
        kie_callback(URL, code=999),
        b"\xff\xfe not JSON",
        b"",
        [],
    ],
    ids=["another task", "unknown code", "no JSON", "empty", "a list"],
)
def test_unfit_callback_changes_nothing(ctx: Context, stub: Stub, body: Any) -> None:
    job_id = waiting(ctx, stub)
    before = ctx.store.get(job_id)
    arrive(ctx, job_id, body)
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id) == before
    assert not ctx.inbox.list_unread(job_id)


def test_callback_of_deleted_job_is_acknowledged(ctx: Context) -> None:
    arrive(ctx, "job_gone", kie_callback(URL))
    read_callbacks(ctx, "job_gone")
    assert not ctx.inbox.list_unread("job_gone")
    assert ctx.store.redis.zcard(keys.due(Queue.CALLBACK)) == 0


def test_second_reader_drops_no_unread_callback(ctx: Context) -> None:
    arrive(ctx, "job_x", b"a doubled one")
    first, second = ctx.inbox.list_unread("job_x"), ctx.inbox.list_unread("job_x")
    ctx.inbox.acknowledge("job_x", dict.fromkeys(first, Outcome.DUPLICATE))
    arrive(ctx, "job_x", b"the result")
    ctx.inbox.acknowledge("job_x", dict.fromkeys(second, Outcome.DUPLICATE))
    assert [callback.body for callback in ctx.inbox.list_unread("job_x").values()] == [
        b"the result"
    ]
    assert ctx.store.redis.zscore(keys.due(Queue.CALLBACK), "job_x") is not None


def test_unread_callbacks_are_limited(ctx: Context) -> None:
    for number in range(MAX_UNREAD + 5):
        arrive(ctx, "job_x", str(number).encode())
    assert len(ctx.inbox.list_unread("job_x")) == MAX_UNREAD


@pytest.mark.parametrize(
    ("key", "age_s", "settled"),
    [
        ("right", 0, True),
        ("second", 0, True),
        ("wrong", 0, False),
        ("right", 301, False),
        (None, 0, False),
    ],
    ids=["good", "second key", "wrong key", "too old", "unsigned"],
)
def test_unsigned_callback_is_untrusted_if_kie_signs(
    ctx: Context, stub: Stub, key: str | None, age_s: int, settled: bool
) -> None:
    signing = {"kie_webhook_hmac_key": (SecretStr("right"), SecretStr("second"))}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=signing)
    job_id = waiting(ctx, stub)
    headers = {}
    if key:
        timestamp = str(int(ctx.now().timestamp()) - age_s)
        mac = hmac.digest(key.encode(), f"{TASK}.{timestamp}".encode(), hashlib.sha256)
        headers = {"x-webhook-timestamp": timestamp}
        headers["x-webhook-signature"] = base64.b64encode(mac).decode()
    arrive(ctx, job_id, kie_callback(URL), **headers)
    read_callbacks(ctx, job_id)
    assert (ctx.store.get(job_id).state is State.DOWNLOADING) == settled
