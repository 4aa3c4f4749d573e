"""One damaged entry hides no other: it is left out of its list, named, and shown by the doctor."""

from collections.abc import Callable
from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.errors import ImageQueueError, UnknownBatchError, UnreadableRecordError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import State, add_seconds
from imagequeue.producer.api.access import Access
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.redis_checks import check_api_keys, check_records
from imagequeue.providers.request import JobRequest
from imagequeue.store import keys
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.webhooks import keys as webhook_keys
from imagequeue.worker.context import Context
from support.access import request, status_of
from support.callbacks import quarantine, quarantined_ids
from support.cli import Ran, imagequeue
from support.jobs import move, queued

Fields = dict[str, Any]
DAMAGED_CALLBACKS: dict[str, Fields] = {
    "no entry": {"job": "job_x", "reason": "orphaned"},
    "no fields": {"x": "y"},
    "unknown reason": {"job": "job_x", "reason": "bored", "entry": "{}\n"},
    "binary job": {"job": b"\xff", "reason": "orphaned", "entry": "{}\n"},
}
WEBHOOK = (
    '{"id": "evt_1", "at": 1, "url": "https://a.example/", "body": "{\\"type\\": \\"job.x\\"}"}'
)
DAMAGED_LETTERS: dict[str, Fields] = {
    "no fields": {"x": "y"},
    "no JSON": {"job": "job_x", "entry": WEBHOOK[:-9]},
    "a list": {"job": "job_x", "entry": "[]"},
    "a time of no calendar": {"job": "job_x", "entry": WEBHOOK.replace('"at": 1', '"at": 1e99')},
    "a body without a type": {"job": "job_x", "entry": WEBHOOK.replace("type", "kind")},
}
DAMAGED_KEYS = {
    "no JSON": "{",
    "a list": "[]",
    "no hash": '{"limits": 5}',
    "no limits": '{"hash": "a", "limits": 5}',
    "binary": b"\xff",
}


@pytest.fixture
def run(overrides: dict[str, str]) -> Callable[..., Ran]:
    return lambda *arguments: imagequeue(*arguments, settings=overrides)


def doctor_says(settings: Settings, check: Callable[[Settings], str], words: str) -> bool:
    with pytest.raises(ImageQueueError) as found:
        check(settings)
    return words in str(found.value)


@pytest.mark.parametrize("kind", DAMAGED_CALLBACKS)
def test_damaged_callback_hides_no_other(ctx: Context, run: Callable[..., Ran], kind: str) -> None:
    quarantine(ctx, b"first")
    damaged = ctx.store.redis.xadd(keys.QUARANTINE, DAMAGED_CALLBACKS[kind]).decode()
    quarantine(ctx, b"last")
    ran = run("callbacks", "list")
    assert [line.split()[0] for line in ran.out.splitlines()] == quarantined_ids(ctx)
    assert (ran.status, len(quarantined_ids(ctx))) == (0, 2)
    assert f"{damaged} cannot be read: " in ran.err
    assert f"`XDEL iq:quarantine {damaged}` deletes it" in ran.err
    assert doctor_says(ctx.settings, check_records, damaged)
    assert run("callbacks", "replay", damaged).err.startswith(
        f"imagequeue: the record of {damaged}"
    )
    assert len(run("callbacks", "replay", "--all").out.splitlines()) == 2


@pytest.mark.parametrize("kind", DAMAGED_CALLBACKS)
def test_damaged_callback_is_deleted_with_age(ctx: Context, kind: str) -> None:
    ctx.store.redis.xadd(keys.QUARANTINE, DAMAGED_CALLBACKS[kind], id="1-1")
    quarantine(ctx, b"new")
    assert ctx.store.redis.xlen(keys.QUARANTINE) == len(quarantined_ids(ctx)) == 1


@pytest.mark.parametrize("kind", DAMAGED_LETTERS)
def test_damaged_dead_letter_hides_no_other(
    ctx: Context, run: Callable[..., Ran], kind: str
) -> None:
    whole = {"job": "job_x", "entry": WEBHOOK}
    added = [
        ctx.store.redis.xadd(webhook_keys.DEAD_WEBHOOKS, fields).decode()
        for fields in (whole, DAMAGED_LETTERS[kind], whole)
    ]
    ran = run("webhooks", "list")
    assert [line.split()[0] for line in ran.out.splitlines()] == [added[2], added[0]]
    assert (ran.status, f"{added[1]} cannot be read: " in ran.err) == (0, True)
    assert doctor_says(ctx.settings, check_records, added[1])
    assert run("webhooks", "replay", added[1]).status == 2
    assert len(run("webhooks", "replay", "--all").out.splitlines()) == 2


@pytest.mark.parametrize("kind", DAMAGED_KEYS)
def test_damaged_api_key_stops_no_other_and_opens_nothing(
    ctx: Context, run: Callable[..., Ran], kind: str
) -> None:
    with connect(ctx.settings) as client:
        access = Access(ctx.settings, client)
        client.hset(keys.API_KEYS, "shop", DAMAGED_KEYS[kind])
        assert status_of(access, request()) == 401
        blog = ApiKeys(client).add("blog", Limits(), ctx.now())
    assert status_of(Access(ctx.settings, ctx.store.redis), request()) == 401
    assert Access(ctx.settings, ctx.store.redis).find_caller(blog).name == "blog"
    ran = run("keys", "list")
    assert (ran.status, ran.out.split()[0]) == (0, "blog")
    assert "shop cannot be read: " in ran.err
    assert doctor_says(ctx.settings, check_api_keys, "shop")
    assert "`imagequeue keys remove shop` deletes it" in run("keys", "limit", "shop", "--admin").err
    assert run("keys", "remove", "shop").status == 0
    assert run("keys", "list").err == ""


@pytest.mark.parametrize("kind", DAMAGED_KEYS)
def test_jobs_of_a_damaged_api_key_wait_and_no_others(ctx: Context, kind: str) -> None:
    """Its limits and budgets are unknown."""
    ctx.store.redis.hset(keys.API_KEYS, "shop", DAMAGED_KEYS[kind])
    request = JobRequest(provider="acedata-flux", prompt="a cat")
    jobs = [
        build_job(ctx.settings, request, ctx.now(), submitted_by=name) for name in ("shop", "blog")
    ]
    for job in jobs:
        ctx.store.add([job])
    assert ctx.submits.lease(ctx.now(), 10).job_ids == [jobs[1].id]
    ApiKeys(ctx.store.redis).remove("shop")
    assert ctx.submits.lease(ctx.now(), 10).job_ids == [jobs[0].id]


def test_damaged_batch_is_named_and_its_jobs_are_listed(ctx: Context) -> None:
    client = LocalClient(ctx.settings, name="shop")
    batch_id = client.submit_batch([{"provider": "acedata-flux", "prompt": "a cat"}] * 2).batch.id
    for name, value in (("document", "{"), ("queued", "many")):
        before = ctx.store.redis.hget(keys.batch(batch_id), name)
        ctx.store.redis.hset(keys.batch(batch_id), name, value)
        with pytest.raises(UnreadableRecordError, match=batch_id):
            client.batch(batch_id)
        assert len(client.batch_jobs(batch_id, submitted_by="shop").jobs) == 2
        assert client.batch_jobs(batch_id, submitted_by="blog").jobs == []
        assert doctor_says(ctx.settings, check_records, batch_id)
        ctx.store.redis.hset(keys.batch(batch_id), name, before)
        assert check_records(ctx.settings) == "all that were read are valid"
    with pytest.raises(UnknownBatchError):
        client.batch_jobs(batch_id, submitted_by="blog")


def test_entry_of_a_due_set_that_is_no_id_stops_no_job(ctx: Context) -> None:
    first, second = queued(ctx), queued(ctx)
    move(ctx, first, State.SUBMITTING, State.WAITING)
    move(ctx, second, State.CANCELLED)
    for name in (keys.due(Queue.POLL), keys.RETENTION):
        ctx.store.redis.zadd(name, {b"\xff": 0, b"": 0})
    later = add_seconds(ctx.now(), ctx.settings.retention_s)
    assert first in ctx.wakeups.lease(Queue.POLL, later, 9, 9)
    assert ctx.store.deletion.delete_expired(later)
    assert not ctx.store.redis.exists(keys.record(second))
    assert ctx.store.redis.zcard(keys.RETENTION) == 0
