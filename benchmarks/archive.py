"""A million finished jobs in the archive and 100,000 live ones in Redis: how long do reads take?

    python -m benchmarks.archive --archived 1000000 --live 100000

Prints medians in milliseconds, the memory of Redis, and the bytes of a job in each database.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import redis
import requests

from benchmarks.archive_rows import BATCH, RARE, WORDS, fill_archive
from benchmarks.chaos.site import add_api
from benchmarks.postgres import create_database, run_postgres
from benchmarks.system import System, exit_on_sigterm, is_up, wait_until
from imagequeue.archive.archive import Archive, open_archive
from imagequeue.config.celery import make_celery
from imagequeue.jobs.filter import JobConditions
from imagequeue.jobs.job import State, add_seconds, new_job, utc_now
from imagequeue.producer.client import LocalClient
from imagequeue.store.jobs import Store
from imagequeue.worker.archive import Archiver
from imagequeue.worker.context import open_context
from imagequeue.worker.sweep import sweep

DATABASES = ("sqlite", "postgresql")
REPEAT = 7


def main() -> None:
    """Measure with SQLite and with PostgreSQL, and print one table."""
    parser = argparse.ArgumentParser(description="Read a large archive.")
    parser.add_argument("--archived", type=int, default=1_000_000)
    parser.add_argument("--live", type=int, default=100_000)
    parser.add_argument("--database", choices=DATABASES, help="by default one after the other")
    options = parser.parse_args()
    exit_on_sigterm()
    columns: dict[str, dict[str, float]] = {}
    for kind in [options.database] if options.database else DATABASES:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="archive-")))
            url = f"sqlite:///{folder}/archive.sqlite"
            if kind == "postgresql":
                url = create_database(stack.enter_context(run_postgres()), "archive")
            columns[kind] = measure(stack, folder, url, options.archived, options.live)
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(f"{each[name]:,.1f}" for each in columns.values()) + " |")


def measure(stack: ExitStack, folder: Path, url: str, archived: int, live: int) -> dict[str, float]:
    """Fill an archive and a Redis, and return the figures by what they measure."""
    system = System(folder, {"archive_url": url, "log_level": "WARNING"}, workers=0)
    stack.callback(system.stop)
    archive = open_archive(url)
    stack.callback(archive.close)
    fill_archive(archive, archived)
    with redis.Redis.from_url(system.redis.url) as client:
        add_live_jobs(Store(client), live)
        memory_mb = client.info("memory")["used_memory"] / 1e6
    site = add_api(system)
    system.start("api")
    wait_until(lambda: is_up(f"{site}/healthz"))
    local = LocalClient(system.settings)
    found = local.list(chosen=JobConditions(state=State.SUCCEEDED), limit=500)
    reads: dict[str, Callable[[], Any]] = {
        "list": lambda: local.list(limit=50),
        "list of succeeded jobs": lambda: local.list(state=State.SUCCEEDED, limit=50),
        "list of a caller": lambda: local.list(submitted_by="shop-7", limit=50),
        "list of a provider without jobs": lambda: local.list(provider="kie-midjourney"),
        "list of a model without jobs": lambda: local.list(
            chosen=JobConditions(model="none", state=State.SUCCEEDED)
        ),
        "list by metadata": lambda: local.list(chosen=JobConditions(metadata={"order": "77"})),
        "list by cost, none": lambda: local.list(
            chosen=JobConditions(min_usd=5, state=State.SUCCEEDED)
        ),
        "search of a rare word": lambda: search(local, RARE),
        "search of a word of every seventh job": lambda: search(local, "lighthouse0"),
        "search of two such words": lambda: search(local, "lighthouse0 storm0"),
        "search of two such words, of a caller": lambda: search(
            local, "lighthouse0 storm0", caller="shop-7"
        ),
        "search of two such words, failed": lambda: search(
            local, "lighthouse0 storm0", state=State.FAILED
        ),
        "search of two such words by cost, none": lambda: search(
            local, "lighthouse0 storm0", min_usd=5
        ),
        "search of a rare word, in any state": lambda: search(local, RARE, state=None),
        "search without a hit": lambda: search(local, "submarine"),
        "get an archived job": lambda: local.get(found.jobs[-1].id),
        "counts by state": local.counts,
        "page of the dashboard": lambda: get(site),
        "page of a search": lambda: get(f"{site}/?state=succeeded&q={RARE}"),
        "metrics": lambda: get(f"{site}/metrics"),
    }
    figures = {f"{name}, ms": time_ms(read) for name, read in reads.items()}
    with make_celery(system.settings) as celery:
        ctx = open_context(system.settings, celery)
        figures["sweep, ms"] = time_ms(lambda: sweep(ctx))
        archiver = Archiver(ctx)
        archiver.compare()
        figures["archiver with nothing to move, ms"] = time_ms(archiver.move)
    figures["memory of Redis, MB"] = memory_mb
    figures["bytes a job"] = measure_bytes(archive) / archived
    return figures


def search(local: LocalClient, words: str, **others: Any) -> Any:
    """Read the first page of a search of jobs, by default of those that have succeeded."""
    chosen = JobConditions(words=words, **{"state": State.SUCCEEDED, **others})
    return local.list(chosen=chosen, limit=48)


def get(url: str) -> None:
    """Fetch a page."""
    answer = requests.get(url, timeout=60)
    answer.raise_for_status()


def time_ms(act: Callable[[], object]) -> float:
    """Return the median of some calls, the first one left out."""
    took = []
    for _ in range(REPEAT + 1):
        started = time.perf_counter()
        act()
        took.append((time.perf_counter() - started) * 1000)
    return median(took[1:])


def add_live_jobs(store: Store, count: int) -> None:
    """Store jobs that are due in an hour."""
    for start in range(0, count, BATCH):
        now = utc_now()
        due = add_seconds(now, 3600)
        prompt = " ".join(WORDS) * 2
        live = [
            new_job(
                now, provider="kie", action="generate", prompt=prompt, delivery="poll"
            ).model_copy(update={"wake_at": due, "params": {"model": "z-image"}})
            for _ in range(min(BATCH, count - start))
        ]
        store.add(live)


def measure_bytes(archive: Archive) -> int:
    """Return the size of the database."""
    query = "SELECT pg_database_size(current_database())"
    if archive.engine.dialect.name == "sqlite":
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    with archive.engine.connect() as connection:
        return int(connection.exec_driver_sql(query).scalar() or 0)


if __name__ == "__main__":
    main()
