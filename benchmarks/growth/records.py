"""What Redis keeps: bytes for each job that waits, each that has ended, and what is beside them."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import redis

from benchmarks.waiting import BATCH, waiting_job
from imagequeue.config.settings import Settings
from imagequeue.jobs.idempotency import IdempotencyKey
from imagequeue.jobs.job import Job, new_job, utc_now
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.store import keys
from imagequeue.store.compare_and_set import MAX_CHANGES
from imagequeue.store.jobs import Store

# Three quarters of a power of two: hash tables are half to wholly full, and here in the middle.
JOBS = 25_000


class Records(NamedTuple):
    """Bytes of Redis's memory for each of them."""

    waiting: float
    kept: float
    key: float
    thousand_changes: float


def records(example: Job) -> Records:
    """Add `JOBS` of each kind to an empty Redis; `example` is an ended one, as a run left it."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Settings(data_dir=Path(folder)))
        try:
            with redis.Redis.from_url(server.start()) as client:
                # A rewrite of the file that is under way would count as well.
                client.config_set("auto-aof-rewrite-percentage", 0)
                store = Store(client)
                waiting = _added(store, waiting_job)
                kept = _added(store, lambda: _again(example))
                keyed = _added(store, waiting_job, _onces())
                changes = _stream(client) / client.xlen(keys.CHANGES) * 1000
                return Records(waiting, kept, keyed - waiting, changes)
        finally:
            server.stop()


def _again(example: Job) -> Job:
    now = utc_now()
    twin = new_job(now, provider=example.provider, action=example.action, delivery="poll")
    own = {"id": twin.id, "revision": twin.revision, "wake_at": now + timedelta(days=30)}
    return example.model_copy(update={**own, "task_id": secrets.token_hex(16)})


def _onces() -> Iterable[IdempotencyKey]:
    while True:
        yield IdempotencyKey(f"python:{secrets.token_hex(16)}", secrets.token_hex(32))


def _added(store: Store, make: Callable[[], Job], onces: Iterable[IdempotencyKey] = ()) -> float:
    """The bytes of each job, less the stream of changes: that grows no further."""
    store.redis.flushall()
    source, empty = iter(onces), _used(store.redis)
    for _ in range(0, JOBS, BATCH):
        jobs = [make() for _ in range(BATCH)]
        store.add(jobs, [next(source) for _ in jobs] if onces else ())
    return (_used(store.redis) - empty - _stream(store.redis)) / JOBS


def _stream(client: redis.Redis) -> int:
    return int(client.memory_usage(keys.CHANGES, samples=0) or 0)


def _used(client: redis.Redis) -> int:
    info: Any = client.info("memory")
    return int(info["used_memory"])


def table(found: Records) -> None:
    """A row for each kind."""
    print(f"| Redis keeps, {JOBS:,} of each | bytes | for how long |")
    print("|---|---|---|")
    print(
        f"| a job that waits, its prompt of 300 bytes included | {found.waiting:,.0f} | minutes |"
    )
    print(f"| a job that has ended, one picture | {found.kept:,.0f} | `RETENTION_S`, 30 days |")
    print(f"| an idempotency key more | {found.key:,.0f} | a day |")
    print(
        f"| 1,000 changes in the stream | {found.thousand_changes:,.0f} "
        f"| the latest {MAX_CHANGES:,} |"
    )
