"""Callbacks: early, late, doubled, forged and mismatched ones all have a defined end."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from pydantic import SecretStr

from imagequeue.config.queues import Queue
from imagequeue.errors import MoveRefusedError
from imagequeue.jobs import keys
from imagequeue.jobs.inbox import MOST_KEPT, Callback
from imagequeue.jobs.job import State
from imagequeue.producer.client import Client
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, KIE_PENDING, TASK, kie_callback, path, queued, waiting
from support.stub import Stub

URL = "https://a.example/r.png"


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "public_url": "http://callbacks.example"}


def arrive(ctx: Context, job_id: str, body: Any, **headers: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    ctx.inbox.put(job_id, Callback(ctx.now(), headers, raw), wake_at=ctx.now())


def test_the_provider_is_given_a_url_of_the_jobs_own(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    url = stub.posts[0]["callBackUrl"]
    assert url.startswith(f"http://callbacks.example/callbacks/kie-flux-kontext/{job_id}/")


def test_a_callback_settles_the_job_and_takes_its_poll_away(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.history[-1].cause) == (State.DOWNLOADING, "callback")
    assert ctx.store.redis.zscore(keys.due(Queue.POLL), job_id) is None
    assert ctx.store.redis.zscore(keys.due(Queue.CALLBACK), job_id) is None
    assert not ctx.inbox.unread(job_id)


def test_doubled_callbacks_settle_once(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = waiting(ctx, stub)
    for _ in range(3):
        # Each at a time of its own, or they would be one entry.
        clock.advance(1)
        arrive(ctx, job_id, kie_callback(URL))
    assert len(ctx.inbox.unread(job_id)) == 3
    read_callbacks(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "waiting", "downloading"]


def test_a_callback_before_the_answer_adopts_the_job_and_the_answer_changes_nothing(
    ctx: Context, stub: Stub
) -> None:
    job_id = queued(ctx)

    def answer(*_: Any) -> Any:
        arrive(ctx, job_id, kie_callback(URL))
        read_callbacks(ctx, job_id)
        return KIE_ACCEPTED

    stub.answer = answer
    with pytest.raises(MoveRefusedError):
        submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert path(job) == ["queued", "submitting", "downloading"]
    assert job.task_id == TASK


def test_a_lost_answer_comes_back_through_the_jobs_own_callback(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.error) == (State.DOWNLOADING, TASK, None)
    assert len(stub.posts) == 1


def test_a_success_after_the_give_up_revives_the_job(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    clock.advance(ctx.settings.give_up_after_s)
    poll(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_a_result_for_a_cancelled_job_is_recorded_and_not_downloaded(
    ctx: Context, stub: Stub
) -> None:
    job_id = waiting(ctx, stub)
    Client(ctx.settings, now=ctx.now).cancel(job_id)
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
        kie_callback(""),
        b"\xff\xfe not JSON",
        b"",
        [],
    ],
    ids=["another task", "unknown code", "no URL", "no JSON", "empty", "a list"],
)
def test_a_callback_that_does_not_fit_changes_nothing_and_is_read_once(
    ctx: Context, stub: Stub, body: Any
) -> None:
    job_id = waiting(ctx, stub)
    before = ctx.store.get(job_id)
    arrive(ctx, job_id, body)
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id) == before
    assert not ctx.inbox.unread(job_id)


def test_a_callback_for_a_job_that_is_gone_is_dropped(ctx: Context) -> None:
    arrive(ctx, "job_gone", kie_callback(URL))
    read_callbacks(ctx, "job_gone")
    assert not ctx.inbox.unread("job_gone")
    assert ctx.store.redis.zcard(keys.due(Queue.CALLBACK)) == 0


def test_a_second_reader_drops_nothing_that_nobody_has_read(ctx: Context) -> None:
    arrive(ctx, "job_x", b"a doubled one")
    first, second = ctx.inbox.unread("job_x"), ctx.inbox.unread("job_x")
    ctx.inbox.drop("job_x", first)
    arrive(ctx, "job_x", b"the result")
    ctx.inbox.drop("job_x", second)
    assert [callback.body for callback in ctx.inbox.unread("job_x").values()] == [b"the result"]
    assert ctx.store.redis.zscore(keys.due(Queue.CALLBACK), "job_x") is not None


def test_the_unread_callbacks_of_a_job_are_bounded(ctx: Context) -> None:
    for number in range(MOST_KEPT + 5):
        arrive(ctx, "job_x", str(number).encode())
    assert len(ctx.inbox.unread("job_x")) == MOST_KEPT


@pytest.mark.parametrize(
    ("key", "age_s", "settled"),
    [("right", 0, True), ("wrong", 0, False), ("right", 301, False), (None, 0, False)],
    ids=["good", "wrong key", "too old", "unsigned"],
)
def test_where_kie_signs_only_signed_callbacks_count(
    ctx: Context, stub: Stub, key: str | None, age_s: int, settled: bool
) -> None:
    signing = {"kie_webhook_hmac_key": SecretStr("right")}
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


def test_what_is_reported_of_a_task_before_the_retry_is_no_news(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    for _ in range(2):
        arrive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    Client(ctx.settings, now=ctx.now).retry(job_id, pay_again=True)
    arrive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED

    def answer(*_: Any) -> Any:
        arrive(ctx, job_id, kie_callback(code=501))
        read_callbacks(ctx, job_id)
        return 200, {"code": 200, "msg": "success", "data": {"taskId": "task-2"}}

    stub.answer = answer
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id) == (State.WAITING, "task-2")
