"""One record that cannot be read stops nothing but its own job."""

import json
import re
from datetime import UTC, datetime

import pytest
from celery import Celery

from imagequeue.config.settings import Settings
from imagequeue.errors import ImageQueueError, UnreadableJobError
from imagequeue.jobs.job import QUEUE_OF, State, add_seconds, new_job
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.redis_checks import check_records
from imagequeue.producer.metrics.snapshot import take_snapshot
from imagequeue.producer.wait import iter_completed
from imagequeue.store import keys
from imagequeue.store.broker import RedisQueues
from imagequeue.store.codec import VERSION
from imagequeue.store.money import keys as money_keys
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.base_task import DAMAGED_RETRY_S, RETRY_LATER_S
from imagequeue.worker.context import Context
from imagequeue.worker.sweep import sweep
from support.clock import Clock
from support.jobs import move, queued
from support.redis import LASTING

DAMAGE = {
    "empty": lambda record: b"",
    "cut off": lambda record: record[:-20],
    "a list": lambda record: b"[]",
    "unknown state": lambda record: record.replace(b'"cancelled"', b'"paused"'),
    "without a provider": lambda record: record.replace(b'"provider"', b'"vendor"'),
    "of another job": lambda record: record.replace(b'"id":"job_', b'"id":"job_0'),
    "nested too deeply": lambda record: b"[" * 100_000,
    "newer": lambda record: record.replace(b'"v":%d' % VERSION, b'"v":%d' % (VERSION + 1)),
}


@pytest.fixture
def app(settings: Settings, clock: Clock) -> Celery:
    return make_worker_app(settings, now=clock)


def cancelled(ctx: Context) -> str:
    job_id = queued(ctx)
    move(ctx, job_id, State.CANCELLED)
    return job_id


def damage(ctx: Context, job_id: str, kind: str = "cut off") -> bytes:
    record = DAMAGE[kind](ctx.store.redis.get(keys.record(job_id)))
    ctx.store.redis.set(keys.record(job_id), record)
    return record


def traces_of_jobs(ctx: Context) -> dict[str, object]:
    """What Redis has about jobs, without counters that are zero and the history of all jobs."""
    client = ctx.store.redis
    found: dict[str, object] = {}
    for name in client.keys("iq:*"):
        key = name.decode()
        if key.startswith(LASTING):
            continue
        if key in (keys.COUNTERS, keys.OPEN_JOBS):
            numbers = {field.decode(): int(n) for field, n in client.hgetall(name).items()}
            prefix = "jobs." if key == keys.COUNTERS else ""
            left = {each: n for each, n in numbers.items() if n and each.startswith(prefix)}
        else:
            left = (
                {}
                if re.match("iq:(changes|costs|ledger|leased_at|lines:.*:ended|starts)", key)
                else {key: 1}
            )
        found |= left
    return found


@pytest.mark.parametrize("kind", DAMAGE)
def test_unreadable_record_is_skipped_and_shown(
    ctx: Context, settings: Settings, kind: str
) -> None:
    first, bad, last = cancelled(ctx), cancelled(ctx), cancelled(ctx)
    record = damage(ctx, bad, kind)
    client = LocalClient(settings)
    assert [job.id for job in client.list(limit=10).jobs] == [last, first]
    assert [job.id for job in client.get_many([first, bad, last])] == [first, last]
    finished = client.as_completed([first, bad, last], timeout_s=5)
    assert {next(finished).id, next(finished).id} == {first, last}
    with pytest.raises(UnreadableJobError, match=bad):
        next(finished)
    with pytest.raises(UnreadableJobError, match=bad):
        client.retry(bad)
    queues = RedisQueues(ctx.store.redis)
    assert take_snapshot(ctx.store.redis, queues, {}, ctx.now()).unreadable == 1
    with pytest.raises(ImageQueueError, match=bad):
        check_records(settings)
    assert ctx.store.redis.get(keys.record(bad)) == record


def test_record_of_another_type_stops_no_other(
    ctx: Context, settings: Settings, app: Celery
) -> None:
    first, bad = cancelled(ctx), queued(ctx)
    ctx.store.redis.delete(keys.record(bad))
    ctx.store.redis.rpush(keys.record(bad), "x")
    assert [job.id for job in LocalClient(settings).list().jobs] == [first]
    app.tasks["imagequeue.submit"](bad)
    wake_at = add_seconds(ctx.now(), DAMAGED_RETRY_S).timestamp()
    assert ctx.store.redis.zscore(keys.due(QUEUE_OF[State.QUEUED]), bad) == wake_at
    with pytest.raises(UnreadableJobError, match="another type"):
        ctx.store.get(bad)
    with pytest.raises(ImageQueueError, match=bad):
        check_records(settings)


def test_restored_record_is_no_longer_shown(ctx: Context, settings: Settings) -> None:
    job_id = cancelled(ctx)
    record = ctx.store.redis.get(keys.record(job_id))
    damage(ctx, job_id)
    ctx.store.list()
    ctx.store.redis.set(keys.record(job_id), record)
    assert check_records(settings) == "all that were read are valid"


@pytest.mark.parametrize("kind", DAMAGE)
def test_retention_deletes_unreadable_records_too(ctx: Context, clock: Clock, kind: str) -> None:
    jobs = [cancelled(ctx) for _ in range(3)]
    damage(ctx, jobs[0], kind)
    ctx.store.list()
    clock.advance(60)
    sweep(ctx)
    assert not ctx.store.redis.exists(*map(keys.record, jobs))
    assert ctx.store.list_unreadable() == {}
    assert traces_of_jobs(ctx) == {}


@pytest.mark.parametrize("is_in_flight", [False, True])
@pytest.mark.parametrize("caller", ["", "a shop: ü"])
def test_job_whose_record_was_deleted_leaves_nothing(
    ctx: Context, app: Celery, is_in_flight: bool, caller: str
) -> None:
    """As the error of a damaged record advises."""
    job = new_job(ctx.now(), provider="acedata-flux", action="generate", delivery="poll")
    job = job.model_copy(update={"submitted_by": caller})
    ctx.store.add([job])
    if is_in_flight:
        assert ctx.submits.get_permit(job.id, ctx.now())
        move(ctx, job.id, State.SUBMITTING, State.WAITING)
    assert traces_of_jobs(ctx)
    ctx.store.redis.delete(keys.record(job.id))
    app.tasks["imagequeue.submit"](job.id)
    assert traces_of_jobs(ctx) == {}


def test_batch_page_goes_on(ctx: Context, settings: Settings) -> None:
    client = LocalClient(settings)
    request = {"provider": "acedata-flux", "prompt": "a cat"}
    submitted = client.submit_batch([request] * 3)
    jobs = [job.id for job in client.batch_jobs(submitted.batch.id).jobs]
    damage(ctx, jobs[1])
    ctx.store.redis.hset(keys.batch(submitted.batch.id), "paused", 1)
    assert [job.id for job in client.batch_jobs(submitted.batch.id).jobs] == [jobs[0], jobs[2]]
    assert client.batch(submitted.batch.id).progress == {State.QUEUED: 3}


@pytest.mark.parametrize(
    ("kind", "pause_s"), [("cut off", DAMAGED_RETRY_S), ("newer", RETRY_LATER_S)]
)
@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.DOWNLOADING])
def test_step_of_an_unreadable_job_is_postponed(
    ctx: Context, app: Celery, state: State, kind: str, pause_s: float
) -> None:
    job_id, queue = queued(ctx), QUEUE_OF[state]
    path = {State.WAITING: [State.SUBMITTING], State.DOWNLOADING: [State.SUBMITTING]}
    if state is not State.QUEUED:
        move(ctx, job_id, *path[state], state)
    record = damage(ctx, job_id, kind)
    for _ in range(5):
        app.tasks[f"imagequeue.{queue}"](job_id)
    assert ctx.store.redis.get(keys.record(job_id)) == record
    wake_at = add_seconds(ctx.now(), pause_s).timestamp()
    assert ctx.store.redis.zscore(keys.due(queue), job_id) == wake_at


def test_queued_job_that_cannot_be_read_holds_no_permit(ctx: Context, app: Celery) -> None:
    job_id = queued(ctx)
    assert ctx.submits.lease(ctx.now(), 9).job_ids == [job_id]
    damage(ctx, job_id)
    app.tasks["imagequeue.submit"](job_id)
    redis = ctx.store.redis
    assert not redis.exists(keys.PERMITS, money_keys.RESERVED)
    assert not redis.keys("iq:in_flight:*")
    wake_at = redis.zscore(keys.due(QUEUE_OF[State.QUEUED]), job_id)
    assert ctx.submits.lease(datetime.fromtimestamp(wake_at, UTC), 9).job_ids == [job_id]


def test_half_a_surrogate_pair_in_a_record_breaks_no_listing(
    ctx: Context, settings: Settings
) -> None:
    job_id = queued(ctx, prompt="a mark")
    record = ctx.store.redis.get(keys.record(job_id))
    assert isinstance(record, bytes)
    ctx.store.redis.set(keys.record(job_id), record.replace(b"a mark", rb"\uD83D\ude00 \uD800"))
    (job,) = LocalClient(settings).list().jobs
    assert json.loads(job.model_dump_json())["prompt"] == "\U0001f600 ?"


def test_job_restored_between_two_reads_is_awaited(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = cancelled(ctx)
    monkeypatch.setattr(ctx.store, "get_many", lambda _: [])
    assert [job.id for job in iter_completed(ctx.store, [job_id])] == [job_id]
