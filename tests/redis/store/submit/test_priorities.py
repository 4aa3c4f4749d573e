"""Priorities: an image whose URL expires soon is saved before those that live for days."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Start

from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Job, add_seconds
from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.store import keys
from imagequeue.store.due.dispatcher import NORMAL_SHARE
from imagequeue.store.due.wakeups import LOW_AFTER_S, MAX_SCANNED, Priority
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context, open_context
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
from support.processes import eventually
from support.stub import Stub

DAY_S = 86400


LIVES_S = 14 * DAY_S


WORKER = (
    *("celery", "-A", "imagequeue.worker", "worker", "-Q", "download", "-P", "threads", "-c", "1"),
    *("--without-gossip", "--without-mingle"),
)


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": stub.url,
        "download_trusted_hosts": stub.url.removeprefix("http://"),
    }


@pytest.fixture
def live(settings: Settings) -> Iterator[Context]:
    """A context with the real time, which a worker process has too."""
    with make_celery(settings) as celery:
        yield open_context(settings, celery)


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def test_expiring_image_passes_thousands_of_others(start: Start, live: Context, stub: Stub) -> None:
    downloading(live, [LIVES_S] * (MAX_SCANNED + 100), f"{stub.url}/patient")
    sweep_until_full(live)
    most_patient = (
        live.settings.max_queued_messages - live.settings.max_queued_messages // NORMAL_SHARE
    )
    assert count_messages(live) == (0, most_patient)
    first, second = waiting(live, stub), waiting(live, stub)

    def arrives(job_id: str, name: str) -> None:
        dies = ResultImage(url=f"{stub.url}/{name}", lifetime_s=10 * 60)
        apply_status(live, live.store.get(job_id), Succeeded(images=(dies,)), "callback")

    def answer(_: str, url: str, __: Any) -> Any:
        # The worker is held by its third picture: it takes no message before this is answered.
        if len(fetched(stub)) == 3:
            arrives(second, "second")
        return 200, picture()

    arrives(first, "first")
    assert count_messages(live) == (1, most_patient)
    stub.answer = answer
    start(*WORKER)
    eventually(lambda: len(fetched(stub)) >= 6)
    order = [url.split("/")[1] for url in fetched(stub)[:6]]
    assert order == ["first", "patient", "patient", "second", "patient", "patient"]


def test_sweep_orders_downloads_by_deadline(ctx: Context) -> None:
    late, soon, later, sooner = downloading(ctx, [900, 600, LIVES_S, 300], "http://a.example")
    assert sweep_until_full(ctx) == ids([sooner, soon, late, later])
    assert count_messages(ctx) == (3, 1)


def test_low_messages_leave_room_for_normal_ones(
    ctx: Context,
) -> None:
    most_patient = limit_messages(ctx, 40)
    downloading(ctx, [LIVES_S] * 100, "http://a.example")
    sweep_until_full(ctx)
    assert count_messages(ctx) == (0, most_patient)
    # A sweep that has no room for them does not send them in the other lane either.
    assert sweep_until_full(ctx) == []
    assert count_messages(ctx) == (0, most_patient)
    urgent = downloading(ctx, [600] * 30, "http://a.example")
    assert sweep_until_full(ctx) == ids(urgent[: 40 - most_patient])
    assert count_messages(ctx) == (40 - most_patient, most_patient)


@pytest.mark.parametrize("lives_s", [(600,), (LIVES_S,), (600, LIVES_S)])
def test_queue_never_exceeds_its_limit(ctx: Context, lives_s: tuple[float, ...]) -> None:
    limit_messages(ctx, 40)
    rng = random.Random(1)
    for _ in range(30):
        jobs = downloading(ctx, [rng.choice(lives_s) for _ in range(8)], "http://a.example")
        for job in jobs[:4]:
            ctx.dispatcher.dispatch(
                Queue.DOWNLOAD, [job.id], ctx.now(), Priority.of(job.deadline, ctx.now())
            )
        ctx.dispatcher.sweep(Queue.DOWNLOAD, ctx.now())
        assert sum(count_messages(ctx)) <= 40
        ctx.store.redis.rpop(LISTS[rng.choice(list(Priority))])
    assert sum(count_messages(ctx)) > 40 - 40 // NORMAL_SHARE - 2


@pytest.mark.parametrize("in_front", [250, MAX_SCANNED + 50])
def test_postponed_downloads_do_not_block_others(ctx: Context, in_front: int) -> None:
    downloading(ctx, [600] * in_front, "http://a.example", due_in_s=60)
    has_more = downloading(ctx, [1800, 1200, LIVES_S], "http://a.example")
    assert set(sweep_until_full(ctx)) == set(ids(has_more))
    assert count_messages(ctx) == (2, 1)


def test_priority_depends_on_the_deadline(ctx: Context) -> None:
    now = ctx.now()
    edge = add_seconds(now, LOW_AFTER_S)
    assert Priority.of(None, now) is Priority.NORMAL
    assert Priority.of(now - timedelta(days=1), now) is Priority.NORMAL
    assert Priority.of(edge, now) is Priority.NORMAL
    assert Priority.of(add_seconds(edge, 1), now) is Priority.LOW


@pytest.mark.parametrize(("lives_s", "lanes"), [(600, (1, 0)), (LIVES_S, (0, 1))])
def test_settled_job_is_dispatched_with_its_priority(
    ctx: Context, stub: Stub, lives_s: int, lanes: tuple[int, int]
) -> None:
    image = ResultImage(url=f"{stub.url}/0", lifetime_s=lives_s)
    apply_status(ctx, ctx.store.get(waiting(ctx, stub)), Succeeded(images=(image,)), "callback")
    assert count_messages(ctx) == lanes


def test_other_queues_have_one_priority(ctx: Context) -> None:
    limit_messages(ctx, 40)
    others = [queue for queue in Queue if queue is not Queue.DOWNLOAD]
    jobs = [f"job_{number}" for number in range(60)]
    for queue in others:
        ctx.store.redis.zadd(keys.due(queue), dict.fromkeys(jobs, 0))
        ctx.dispatcher.dispatch(queue, jobs[:20], ctx.now())
        ctx.dispatcher.sweep(queue, ctx.now())
        assert ctx.store.redis.llen(queue.value) == 40
        assert ctx.store.redis.llen(f"{queue.value}\x06\x161") == 0
