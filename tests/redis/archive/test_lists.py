"""Lists, filters, searches and exports read Redis and the archive as one."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pyarrow.parquet
import pytest
import redis

from imagequeue.archive import search
from imagequeue.archive.archive import Archive
from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.filter import JobConditions, parse_conditions
from imagequeue.jobs.job import Job, State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.export import ExportFormat, write_export
from imagequeue.store.history import reader
from imagequeue.store.history.archiving import restore_job
from imagequeue.worker.archive import Archiver
from imagequeue.worker.context import Context
from support.jobs import failed, queued
from support.jobs import move as bring

Move = Callable[[], None]


@pytest.fixture
def client(ctx: Context, archive: Archive) -> Iterator[LocalClient]:
    client = LocalClient(ctx.settings, ctx.now)
    yield client
    opened = client.open_archive()
    assert opened
    opened.close()


def submit(ctx: Context, n: int, **fields: Any) -> str:
    ctx.now.advance(1)  # type: ignore[attr-defined]
    # No id has the letters I, L, O and U, so none is found by these words.
    words = ("a lion on a mat", "A DOG", "Zwei Möwen", "一只 猫")
    fields = {"prompt": words[n % 4], "metadata": {"order": n % 3, "sku": f"A-{n % 2}"}, **fields}
    model = {"provider": "kie", "params": {"model": "z-image"}} if n % 2 else {}
    return queued(ctx, submitted_by=("shop", "blog")[n % 2], **model, **fields)


@pytest.fixture
def jobs(ctx: Context, move: Move) -> list[Job]:
    """Jobs of which every second one is archived, newest first."""
    ids = [submit(ctx, n) for n in range(12)]
    for n, job_id in enumerate(ids[:8]):
        if n % 4 < 3:
            bring(ctx, job_id, (State.FAILED, State.CANCELLED)[n % 2])
    move()
    bring(ctx, ids[9], State.FAILED)
    return sorted(ctx.store.get_many(ids), key=lambda job: job.id, reverse=True)


def read_pages(client: LocalClient, chosen: JobConditions, limit: int) -> Iterator[str]:
    cursor = None
    while True:
        page = client.list(chosen=chosen, limit=limit, cursor=cursor)
        yield from (job.id for job in page.jobs)
        cursor = page.cursor
        if cursor is None:
            return


FILTERS: list[dict[str, Any]] = [
    {},
    {"state": "failed"},
    {"provider": "kie"},
    {"model": "z-image", "state": "cancelled"},
    {"model": "none"},
    {"caller": "shop"},
    {"words": "lion"},
    {"words": "dog a"},
    {"words": "möw zwei"},
    {"words": "猫"},
    {"metadata": {"order": "2"}},
    {"metadata": {"sku": "A-1", "order": "0"}},
    {"metadata": {"sku": "A"}},
    {"min_usd": 0.001},
    {"max_usd": 0},
    {"batch": "batch_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"},
]


@pytest.mark.parametrize("newest", [2, 3])
def test_filters_select_the_same_jobs_in_both(
    newest: int, client: LocalClient, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SAMPLE", 1)
    monkeypatch.setattr(search, "NEWEST", newest)
    for fields in FILTERS:
        chosen = parse_conditions(fields)
        expected = [job.id for job in jobs if chosen.matches(job)]
        assert list(read_pages(client, chosen, 2)) == expected, fields
        assert [job.id for job in client.iter_matching(chosen)] == expected, fields
        assert list(walk_up(client, jobs[-1], chosen)) == expected[::-1], fields


def walk_up(client: LocalClient, oldest: Job, chosen: JobConditions) -> Iterator[str]:
    """Yield the matching jobs, oldest first, each found from the one before."""
    job: Job | None = oldest if chosen.matches(oldest) else client.find_newer(oldest.id, chosen)
    while job:
        yield job.id
        job = client.find_newer(job.id, chosen)


def test_times_bound_a_list(client: LocalClient, jobs: list[Job]) -> None:
    chosen = JobConditions(since=jobs[9].created_at, until=jobs[2].created_at)
    assert list(read_pages(client, chosen, 3)) == [job.id for job in jobs[3:10]]


def test_counts_are_of_both(client: LocalClient, jobs: list[Job]) -> None:
    for caller in (None, "shop", "blog"):
        counts = client.counts(submitted_by=caller)
        for state in State:
            found = [job for job in jobs if job.state is state]
            assert counts[state] == sum(caller in (None, job.submitted_by) for job in found)


def test_caller_sees_only_its_own_archived_jobs(client: LocalClient, jobs: list[Job]) -> None:
    page = client.list(submitted_by="shop", chosen=JobConditions(words="lion"))
    assert {job.submitted_by for job in page.jobs} == {"shop"}
    assert not client.list(submitted_by="shop", chosen=JobConditions(caller="blog")).jobs
    assert not list(client.iter_matching(JobConditions(caller="blog"), "shop"))


def test_long_search_without_a_match_goes_on_with_its_cursor(
    client: LocalClient, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_MISMATCHES", 2)
    page = client.list(chosen=JobConditions(words="nothing"))
    assert (page.jobs, bool(page.cursor)) == ([], True)
    assert list(read_pages(client, JobConditions(words="lion"), 5)) == [
        job.id for job in jobs if "lion" in job.prompt
    ]


def test_jobs_that_move_between_pages_are_listed_once(
    ctx: Context, client: LocalClient, archive: Archive, redis_url: str
) -> None:
    random = Random(7)
    ids = [submit(ctx, n) for n in range(30)]
    with redis.Redis.from_url(redis_url) as connection:
        for _ in range(4):
            listed: list[str] = []
            cursor = None
            while True:
                page = client.list(limit=random.randint(1, 5), cursor=cursor)
                listed += [job.id for job in page.jobs]
                for job_id in random.sample(ids, 3):
                    job = ctx.store.get(job_id)
                    if not job.is_finished:
                        bring(ctx, job_id, State.FAILED)
                    elif random.random() < 0.3:
                        restore_job(connection, archive, job_id)
                ctx.now.advance(ctx.settings.finished_s + 1)  # type: ignore[attr-defined]
                Archiver(ctx).move()
                cursor = page.cursor
                if cursor is None:
                    break
            assert listed == sorted(ids, reverse=True)


def test_job_that_moves_while_a_page_is_read_is_listed_once(
    ctx: Context, client: LocalClient, archive: Archive, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [failed(ctx) for _ in range(3)]
    list_ids = reader.History._list_ids

    def move_after(self: reader.History, *given: Any) -> list[str]:
        found = list_ids(self, *given)
        move()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(reader.History, "_list_ids", move_after)
        assert [job.id for job in client.list().jobs] == sorted(ids, reverse=True)


def test_export_has_every_job_in_each_form(client: LocalClient, jobs: list[Job]) -> None:
    pieces = {
        form: b"".join(write_export(client.iter_matching(JobConditions()), form))
        for form in ExportFormat
    }
    ids = [job.id for job in jobs]
    rows = list(csv.DictReader(io.StringIO(pieces[ExportFormat.CSV].decode())))
    assert [row["id"] for row in rows] == ids
    lines = [json.loads(line) for line in pieces[ExportFormat.JSONL].splitlines()]
    assert lines == [json.loads(job.model_dump_json(by_alias=True)) for job in jobs]
    table = pyarrow.parquet.read_table(io.BytesIO(pieces[ExportFormat.PARQUET]))
    assert table["id"].to_pylist() == ids
    assert table["created_at"].to_pylist() == [job.created_at for job in jobs]
    assert [row["prompt"] for row in rows] == table["prompt"].to_pylist()


def test_metadata_without_a_value_is_refused() -> None:
    from imagequeue.jobs.filter import parse_metadata

    with pytest.raises(InvalidRequestError, match="NAME=VALUE"):
        parse_metadata(["order"])


def test_counts_that_take_long_are_used_again_for_a_moment(
    client: LocalClient, jobs: list[Job], ctx: Context, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SLOW_S", -1)
    before = client.counts()[State.FAILED]
    bring(ctx, submit(ctx, 20), State.FAILED)
    assert client.counts()[State.FAILED] == before + 1, "Redis is always asked"
    move()
    assert client.counts()[State.FAILED] < before + 1
    monkeypatch.setattr(reader, "REUSE_S", -1)
    assert client.counts()[State.FAILED] == before + 1
