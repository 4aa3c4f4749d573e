"""A LOW download makes way for NORMAL ones between two images."""

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import State, add_seconds
from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.store.due.wakeups import Priority
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from support.clock import Clock
from support.downloads import (
    LISTS,
    count_messages,
    downloading,
    fetched,
    limit_messages,
    picture,
    sweep_until_full,
)
from support.jobs import waiting
from support.stub import Stub

DAY_S = 86400

LIVES_S = 14 * DAY_S


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": stub.url,
        "download_trusted_hosts": stub.url.removeprefix("http://"),
    }


def test_retried_job_precedes_low_ones(ctx: Context, stub: Stub, clock: Clock) -> None:
    limit_messages(ctx, 40)
    (urgent,) = downloading(ctx, [600], f"{stub.url}/urgent")
    stub.answer = lambda *_: (503, b"")
    pause_s = download(ctx, urgent.id)
    assert pause_s
    ctx.wakeups.set_wake_up(Queue.DOWNLOAD, urgent.id, add_seconds(ctx.now(), pause_s))
    downloading(ctx, [LIVES_S] * 50, f"{stub.url}/patient")
    assert urgent.id not in sweep_until_full(ctx)
    clock.advance(pause_s)
    assert sweep_until_full(ctx) == [urgent.id]
    assert count_messages(ctx)[Priority.NORMAL] == 1


def test_job_makes_way_and_downloads_nothing_twice(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    images = (
        ResultImage(url=f"{stub.url}/0", lifetime_s=LIVES_S),
        ResultImage(url=f"{stub.url}/1", lifetime_s=LIVES_S),
        ResultImage(url=f"{stub.url}/origin", lifetime_s=10 * 60, kind="origin"),
    )
    apply_status(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    stub.answer = lambda *_: (200, picture())
    before = len(fetched(stub))
    # Its own hint is taken; another's stands in the queue.
    ctx.store.redis.delete("download")
    downloading(ctx, [600], f"{stub.url}/other")
    (other,) = sweep_until_full(ctx)
    assert other != job_id
    assert download(ctx, job_id) is None
    assert fetched(stub)[before:] == ["/origin"]
    job = ctx.store.get(job_id)
    assert (job.state, job.wake_at) == (State.DOWNLOADING, ctx.now())
    assert count_messages(ctx) == (1, 1)
    ctx.store.redis.delete(*LISTS.values())
    assert download(ctx, job_id) is None
    assert fetched(stub)[before:] == ["/origin", "/0", "/1"]
    assert ctx.store.get(job_id).state is State.SUCCEEDED


def test_job_saves_one_image_before_it_makes_way(ctx: Context, stub: Stub) -> None:
    images = tuple(ResultImage(url=f"{stub.url}/{n}", lifetime_s=LIVES_S) for n in range(2))
    job_id = waiting(ctx, stub)
    apply_status(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    stub.answer = lambda *_: (200, picture())
    downloading(ctx, [600], f"{stub.url}/other")
    sweep_until_full(ctx)
    assert download(ctx, job_id) is None
    assert fetched(stub) == ["/0"]


def test_low_job_continues_without_normal_messages(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    images = tuple(ResultImage(url=f"{stub.url}/{n}", lifetime_s=LIVES_S) for n in range(3))
    apply_status(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    stub.answer = lambda *_: (200, picture())
    downloading(ctx, [LIVES_S] * 3, f"{stub.url}/patient")
    sweep_until_full(ctx)
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED
