"""Listings by state, provider and caller read the jobs that they return, and no others."""

from collections.abc import Iterator
from itertools import product

import pytest
import redis

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.job import Job, State, new_job
from imagequeue.producer.client import LocalClient
from imagequeue.store import keys
from imagequeue.store.listing import PAGE
from imagequeue.worker.context import Context
from support.jobs import move

PROVIDERS = ("acedata-flux", "kie-flux-kontext")
CALLERS = ("shop", "blog")


def add(ctx: Context, provider: str, caller: str = "shop") -> Job:
    ctx.now.advance(1)  # type: ignore[attr-defined]
    job = new_job(ctx.now(), provider=provider, action="generate", delivery="poll")
    job = job.model_copy(update={"submitted_by": caller})
    ctx.store.add([job])
    return job


@pytest.fixture
def reads(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many records each call has read."""
    counts: list[int] = []
    mget = redis.Redis.mget

    def count(self: redis.Redis, names: list[str]) -> object:
        counts.append(len(names))
        return mget(self, names)

    monkeypatch.setattr(redis.Redis, "mget", count)
    return counts


def test_each_combination_of_filters_lists_exactly_its_jobs(ctx: Context) -> None:
    jobs = [add(ctx, *each) for each in product(PROVIDERS, CALLERS) for _ in range(3)]
    for job in jobs[::3]:
        move(ctx, job.id, State.SUBMITTING, State.WAITING)
    current = {job.id: job for job in ctx.store.get_many([job.id for job in jobs])}
    for state, provider, caller in product(
        (None, State.QUEUED, State.WAITING, State.FAILED), (None, *PROVIDERS), (None, *CALLERS)
    ):
        expected = [
            job_id
            for job_id, job in reversed(current.items())
            if state in (None, job.state)
            and provider in (None, job.provider)
            and caller in (None, job.submitted_by)
        ]
        listed, cursor = [], None
        while True:
            page = ctx.store.list(state, provider, 2, cursor, submitted_by=caller)
            listed += [job.id for job in page.jobs]
            if (cursor := page.cursor) is None:
                break
        assert listed == expected


def test_rare_provider_is_listed_without_reading_the_others(ctx: Context, reads: list[int]) -> None:
    rare = add(ctx, PROVIDERS[1])
    for _ in range(2 * PAGE):
        add(ctx, PROVIDERS[0])
    ctx.store.list(provider=PROVIDERS[1])  # the first listing indexes the jobs of earlier versions
    reads.clear()
    for state in (None, State.QUEUED):
        assert [job.id for job in ctx.store.list(state, PROVIDERS[1]).jobs] == [rare.id]
    assert ctx.store.list(State.FAILED, PROVIDERS[1]).jobs == []
    assert reads == [1, 1]


def test_jobs_of_an_earlier_version_are_indexed_once(
    settings: object, ctx: Context, reads: list[int]
) -> None:
    jobs = [add(ctx, provider) for provider in PROVIDERS for _ in range(PAGE)]
    for provider in PROVIDERS:
        ctx.store.redis.delete(keys.index(State.QUEUED, provider=provider))
    ctx.store.redis.delete(keys.INDEXED)
    client = LocalClient(ctx.settings)
    page = client.list(provider=PROVIDERS[0], limit=2 * PAGE)
    assert [job.id for job in page.jobs] == [job.id for job in reversed(jobs[:PAGE])]
    reads.clear()
    assert len(LocalClient(ctx.settings).list(provider=PROVIDERS[1], limit=1).jobs) == 1
    assert sum(reads) <= PAGE


def test_job_that_changes_while_it_is_indexed_is_counted_once(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = add(ctx, PROVIDERS[0])
    for index in keys.indexes(State.QUEUED, "shop", PROVIDERS[0])[1:]:
        ctx.store.redis.delete(index)
    ctx.store.redis.delete(keys.INDEXED)
    mget = redis.Redis.mget

    def change_after_reading(self: redis.Redis, names: list[str]) -> object:
        monkeypatch.setattr(redis.Redis, "mget", mget)
        records = mget(self, names)
        move(ctx, job.id, State.SUBMITTING)
        return records

    monkeypatch.setattr(redis.Redis, "mget", change_after_reading)
    counts = ctx.store.count_by_state(submitted_by="shop")
    assert {state: count for state, count in counts.items() if count} == {State.SUBMITTING: 1}


def test_deleted_job_leaves_no_index(ctx: Context) -> None:
    job = add(ctx, PROVIDERS[0])
    move(ctx, job.id, State.CANCELLED)
    ctx.now.advance(1e9)  # type: ignore[attr-defined]
    assert ctx.store.deletion.delete_expired(ctx.now()) == 1
    assert ctx.store.redis.keys("iq:state:*") == []


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"provider": "acedata-flx"}, "did you mean acedata-flux?"),
        ({"provider": ""}, "known: kie, kie-flux-kontext"),
        ({"state": "wating"}, "did you mean waiting?"),
        ({"state": ""}, "known: queued"),
        ({"cursor": "2"}, "the cursor of the previous page"),
        ({"cursor": ""}, "the cursor of the previous page"),
        ({"cursor": "job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD\0"}, "the cursor of the previous page"),
    ],
)
def test_unknown_filter_is_refused(ctx: Context, filters: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        LocalClient(ctx.settings).list(**filters)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert problem.field in filters
    assert words in problem.message
