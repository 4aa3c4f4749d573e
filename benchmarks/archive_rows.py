"""A year of finished jobs with random words, written into an archive."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, islice
from typing import Any

import sqlalchemy as sa

from imagequeue.archive.archive import Archive
from imagequeue.archive.rows import build_row
from imagequeue.archive.tables import jobs
from imagequeue.jobs.ids import make_job_id
from imagequeue.jobs.job import Job, State, new_job, utc_now
from imagequeue.jobs.snapshot import Snapshot
from imagequeue.store.codec import dump

BATCH = 1000
SPREAD = timedelta(days=365)
WORDS = (
    *("lighthouse", "storm", "oil", "canvas", "paper", "city", "cat", "mat", "harbour", "winter"),
    *("red", "glass", "forest", "robot", "portrait", "tower", "bridge", "river", "night", "garden"),
)
# A word of these is in every seventh prompt.
VOCABULARY = [f"{word}{n}" for word in WORDS for n in range(13)]
RARE = "zeppelin"
RARE_EVERY = 10_000


def fill_archive(archive: Archive, count: int) -> None:
    """Write finished jobs of a year, oldest first, and index their text at the end."""
    fill = fill_sqlite if archive.engine.dialect.name == "sqlite" else fill_postgres
    fill(archive.engine, iter_rows(count))


def fill_sqlite(engine: sa.Engine, rows: Iterator[dict[str, Any]]) -> None:
    """Insert the rows."""
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER jobs_text_insert")
        while chunk := list(islice(rows, BATCH)):
            connection.execute(sa.insert(jobs), chunk)
        connection.exec_driver_sql("INSERT INTO jobs_text(jobs_text) VALUES ('rebuild')")


def fill_postgres(engine: sa.Engine, rows: Iterator[dict[str, Any]]) -> None:
    """Copy the rows."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        run = connection.exec_driver_sql
        run("SET statement_timeout = 0")
        run("SET maintenance_work_mem = '512MB'")
        texts = run("SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%% gin %%'")
        indexes = dict(texts.tuples().all())
        run(f"DROP INDEX {', '.join(indexes)}")
        first = next(rows)
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f"COPY jobs ({', '.join(first)}) FROM STDIN") as copy:
            for row in chain([first], rows):
                copy.write_row([*(row | {"metadata": json.dumps(row["metadata"])}).values()])
        for definition in indexes.values():
            run(definition)
        run("VACUUM ANALYZE")


def iter_rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield rows made from one job, with other words, callers and orders."""
    rng = random.Random(7)
    start = utc_now() - SPREAD
    job = make_finished_job()
    template = build_row(Snapshot(job, dump(job), 0))
    document = json.loads(template["record"])
    for n in range(count):
        at = start + SPREAD * (n / count)
        prompt = " ".join(rng.choices(VOCABULARY, k=40) + [RARE] * (n % RARE_EVERY == 1))
        changed = {
            "id": make_job_id(at),
            "state": "failed" if n % 20 == 0 else "succeeded",
            "prompt": prompt,
            "metadata": {"order": n},
            "fingerprint": f"{n:032x}",
        }
        caller = f"shop-{n % 50}"
        record = json.dumps({**document, **changed, "submitted_by": caller}, separators=(",", ":"))
        columns = {"caller": caller, "created_at": at, "finished_at": at, "record": record}
        yield {**template, **changed, **columns}


def make_finished_job() -> Job:
    """Return a job that has succeeded."""
    now = utc_now()
    job = new_job(
        now,
        provider="kie",
        action="generate",
        prompt="PROMPT",
        params={"model": "z-image", "aspect_ratio": "16:9"},
        metadata={"order": 0},
        delivery="callback",
    )
    for state in (State.SUBMITTING, State.WAITING, State.DOWNLOADING, State.SUCCEEDED):
        job = job.transition_to(state, "test", now, now)
    return job
