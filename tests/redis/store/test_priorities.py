"""Lanes: a picture whose URL dies soon is fetched before those that keep for days."""

import random
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from conftest import Start
from PIL import Image as Picture

from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Image, Job, State, add_seconds, new_job
from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.store import keys
from imagequeue.store.dispatcher import NORMAL_SHARE
from imagequeue.store.wakeups import LOW_AFTER_S, MAX_SCANNED, Priority
from imagequeue.worker.context import Context, open_context
from imagequeue.worker.download import download
from imagequeue.worker.settle import settle
from support.clock import Clock
from support.jobs import waiting
from support.processes import eventually
from support.stub import Stub

MINUTE_S, DAY_S = 60, 86400
LIVES_S = 14 * DAY_S
LISTS = {Priority.NORMAL: "download", Priority.LOW: "download\x06\x161"}
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


def downloading(ctx: Context, lives_s: list[float], url: str, due_in_s: float = 0) -> list[Job]:
    """Jobs with one picture each, as the moves would have left them that got them there."""
    now = ctx.now()
    jobs = []
    for nth, each_s in enumerate(lives_s):
        job = new_job(now, provider="kie-flux-kontext", action="generate", delivery="callback")
        sent = job.transition_to(State.SUBMITTING, "submit", now, now)
        taken = sent.transition_to(State.WAITING, "accepted", now, now, task_id=f"task-{job.id}")
        image = Image(index=0, source_url=f"{url}/{nth}", expires_at=add_seconds(now, each_s))
        due = add_seconds(now, due_in_s)
        jobs.append(taken.transition_to(State.DOWNLOADING, "callback", now, due, images=(image,)))
    for at in range(0, len(jobs), 500):
        ctx.store.add(jobs[at : at + 500])
    deadlines = {job.id: job.deadline.timestamp() for job in jobs if job.deadline}
    ctx.store.redis.zadd(keys.DEADLINES, deadlines)
    return jobs


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def standing(ctx: Context) -> tuple[int, int]:
    """The urgent and the patient hints in the download queue."""
    urgent, patient = (int(ctx.store.redis.llen(LISTS[lane])) for lane in Priority)
    return urgent, patient


def wake(ctx: Context) -> list[str]:
    """What sweeps of the download queue hint until there is no more room, or nothing due."""
    hinted = []
    while swept := ctx.dispatcher.sweep(Queue.DOWNLOAD, ctx.now()).dispatched:
        hinted += swept
    return hinted


def bounded(ctx: Context, bound: int) -> int:
    """A bound of the test's own; returns how many of the hints may be patient."""
    vars(ctx.dispatcher)["_max_messages"] = bound
    return bound - bound // NORMAL_SHARE


def picture() -> bytes:
    buffer = BytesIO()
    Picture.effect_noise((8, 6), 80).save(buffer, "PNG")
    return buffer.getvalue()


def fetched(stub: Stub) -> list[str]:
    return [url for method, url, _ in stub.asked if method == "GET"]


def test_before_five_thousand_that_keep_for_days_a_worker_takes_the_one_that_dies(
    start: Start, live: Context, stub: Stub
) -> None:
    downloading(live, [LIVES_S] * 5000, f"{stub.url}/patient")
    wake(live)
    most_patient = (
        live.settings.max_queued_messages - live.settings.max_queued_messages // NORMAL_SHARE
    )
    assert standing(live) == (0, most_patient)
    first, second = waiting(live, stub), waiting(live, stub)

    def arrives(job_id: str, name: str) -> None:
        dies = ResultImage(url=f"{stub.url}/{name}", lifetime_s=10 * MINUTE_S)
        settle(live, live.store.get(job_id), Succeeded(images=(dies,)), "callback")

    def answer(_: str, url: str, __: Any) -> Any:
        # The worker is held by its third picture: it takes no message before this is answered.
        if len(fetched(stub)) == 3:
            arrives(second, "second")
        return 200, picture()

    arrives(first, "first")
    assert standing(live) == (1, most_patient)
    stub.answer = answer
    start(*WORKER)
    eventually(lambda: len(fetched(stub)) >= 6)
    order = [url.split("/")[1] for url in fetched(stub)[:6]]
    assert order == ["first", "patient", "patient", "second", "patient", "patient"]


def test_a_sweep_takes_downloads_by_their_deadlines_and_not_as_they_came(ctx: Context) -> None:
    late, soon, later, sooner = downloading(ctx, [900, 600, LIVES_S, 300], "http://a.example")
    assert wake(ctx) == ids([sooner, soon, late, later])
    assert standing(ctx) == (3, 1)


def test_patient_hints_leave_room_for_urgent_ones_and_all_stay_under_the_bound(
    ctx: Context,
) -> None:
    most_patient = bounded(ctx, 40)
    downloading(ctx, [LIVES_S] * 100, "http://a.example")
    wake(ctx)
    assert standing(ctx) == (0, most_patient)
    # A sweep that has no room for them does not send them in the other lane either.
    assert wake(ctx) == []
    assert standing(ctx) == (0, most_patient)
    urgent = downloading(ctx, [600] * 30, "http://a.example")
    assert wake(ctx) == ids(urgent[: 40 - most_patient])
    assert standing(ctx) == (40 - most_patient, most_patient)


@pytest.mark.parametrize("lives_s", [(600,), (LIVES_S,), (600, LIVES_S)])
def test_a_queue_never_holds_more_hints_than_its_bound(
    ctx: Context, lives_s: tuple[float, ...]
) -> None:
    bounded(ctx, 40)
    rng = random.Random(1)
    for _ in range(30):
        jobs = downloading(ctx, [rng.choice(lives_s) for _ in range(8)], "http://a.example")
        for job in jobs[:4]:
            ctx.dispatcher.dispatch(
                Queue.DOWNLOAD, [job.id], ctx.now(), Priority.of(job.deadline, ctx.now())
            )
        ctx.dispatcher.sweep(Queue.DOWNLOAD, ctx.now())
        assert sum(standing(ctx)) <= 40
        ctx.store.redis.rpop(LISTS[rng.choice(list(Priority))])
    assert sum(standing(ctx)) > 40 - 40 // NORMAL_SHARE - 2


@pytest.mark.parametrize("in_front", [250, MAX_SCANNED + 50])
def test_those_put_off_in_front_do_not_block_those_behind(ctx: Context, in_front: int) -> None:
    downloading(ctx, [600] * in_front, "http://a.example", due_in_s=60)
    has_more = downloading(ctx, [1800, 1200, LIVES_S], "http://a.example")
    assert set(wake(ctx)) == set(ids(has_more))
    assert standing(ctx) == (2, 1)


def test_the_lane_is_told_by_the_deadline(ctx: Context) -> None:
    now = ctx.now()
    edge = add_seconds(now, LOW_AFTER_S)
    assert Priority.of(None, now) is Priority.NORMAL
    assert Priority.of(now - timedelta(days=1), now) is Priority.NORMAL
    assert Priority.of(edge, now) is Priority.NORMAL
    assert Priority.of(add_seconds(edge, 1), now) is Priority.LOW


@pytest.mark.parametrize(("lives_s", "lanes"), [(600, (1, 0)), (LIVES_S, (0, 1))])
def test_a_settled_job_is_hinted_in_its_lane(
    ctx: Context, stub: Stub, lives_s: int, lanes: tuple[int, int]
) -> None:
    image = ResultImage(url=f"{stub.url}/0", lifetime_s=lives_s)
    settle(ctx, ctx.store.get(waiting(ctx, stub)), Succeeded(images=(image,)), "callback")
    assert standing(ctx) == lanes


def test_a_job_that_is_tried_again_goes_ahead_of_the_patient_ones(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    bounded(ctx, 40)
    (urgent,) = downloading(ctx, [600], f"{stub.url}/urgent")
    stub.answer = lambda *_: (503, b"")
    pause_s = download(ctx, urgent.id)
    assert pause_s
    ctx.wakeups.wake_at(Queue.DOWNLOAD, urgent.id, add_seconds(ctx.now(), pause_s))
    downloading(ctx, [LIVES_S] * 50, f"{stub.url}/patient")
    assert urgent.id not in wake(ctx)
    clock.advance(pause_s)
    assert wake(ctx) == [urgent.id]
    assert standing(ctx)[Priority.NORMAL] == 1


def test_a_job_makes_way_after_its_origin_and_fetches_nothing_twice(
    ctx: Context, stub: Stub
) -> None:
    job_id = waiting(ctx, stub)
    images = (
        ResultImage(url=f"{stub.url}/0", lifetime_s=LIVES_S),
        ResultImage(url=f"{stub.url}/1", lifetime_s=LIVES_S),
        ResultImage(url=f"{stub.url}/origin", lifetime_s=10 * MINUTE_S, kind="origin"),
    )
    settle(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    stub.answer = lambda *_: (200, picture())
    before = len(fetched(stub))
    # Its own hint is taken; another's stands in the queue.
    ctx.store.redis.delete("download")
    downloading(ctx, [600], f"{stub.url}/other")
    (other,) = wake(ctx)
    assert other != job_id
    assert download(ctx, job_id) is None
    assert fetched(stub)[before:] == ["/origin"]
    job = ctx.store.get(job_id)
    assert (job.state, job.wake_at) == (State.DOWNLOADING, ctx.now())
    assert standing(ctx) == (1, 1)
    ctx.store.redis.delete(*LISTS.values())
    assert download(ctx, job_id) is None
    assert fetched(stub)[before:] == ["/origin", "/0", "/1"]
    assert ctx.store.get(job_id).state is State.SUCCEEDED


def test_a_job_fetches_one_picture_at_least_before_it_makes_way(ctx: Context, stub: Stub) -> None:
    images = tuple(ResultImage(url=f"{stub.url}/{n}", lifetime_s=LIVES_S) for n in range(2))
    job_id = waiting(ctx, stub)
    settle(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    stub.answer = lambda *_: (200, picture())
    downloading(ctx, [600], f"{stub.url}/other")
    wake(ctx)
    assert download(ctx, job_id) is None
    assert fetched(stub) == ["/0"]


def test_nobody_in_a_hurry_nobody_makes_way(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    images = tuple(ResultImage(url=f"{stub.url}/{n}", lifetime_s=LIVES_S) for n in range(3))
    settle(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    stub.answer = lambda *_: (200, picture())
    downloading(ctx, [LIVES_S] * 3, f"{stub.url}/patient")
    wake(ctx)
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED


def test_the_other_queues_have_one_lane_and_all_of_their_bound(ctx: Context) -> None:
    bounded(ctx, 40)
    others = [queue for queue in Queue if queue is not Queue.DOWNLOAD]
    jobs = [f"job_{number}" for number in range(60)]
    for queue in others:
        ctx.store.redis.zadd(keys.due(queue), dict.fromkeys(jobs, 0))
        ctx.dispatcher.dispatch(queue, jobs[:20], ctx.now())
        ctx.dispatcher.sweep(queue, ctx.now())
        assert ctx.store.redis.llen(queue.value) == 40
        assert ctx.store.redis.llen(f"{queue.value}\x06\x161") == 0
