"""What Redis stores: bytes for each waiting job, each ended job, and each idempotency key."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import redis

from benchmarks.waiting import BATCH, make_waiting_job
from imagequeue.config.settings import Settings
from imagequeue.jobs.idempotency import IdempotencyKey
from imagequeue.jobs.job import Job, new_job, utc_now
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.store import keys
from imagequeue.store.compare_and_set import MAX_CHANGES
from imagequeue.store.jobs import Store

# Three quarters of a power of two: hash tables are between half and completely full.
JOBS = 25_000


class Records(NamedTuple):
    """Bytes of Redis's memory for one of each."""

    waiting: float
    ended: float
    key: float
    thousand_changes: float


def measure(example: Job) -> Records:
    """Add `JOBS` of each kind to an empty Redis; `example` is a job that a run has ended."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Settings(data_dir=Path(folder)))
        try:
            with redis.Redis.from_url(server.start()) as client:
                # A running rewrite of the file would be counted too.
                client.config_set("auto-aof-rewrite-percentage", 0)
                store = Store(client)
                waiting = _add_jobs(store, make_waiting_job)
                ended = _add_jobs(store, lambda: _copy(example))
                keyed = _add_jobs(store, make_waiting_job, _idempotency_keys())
                changes = _stream_bytes(client) / client.xlen(keys.CHANGES) * 1000
                return Records(waiting, ended, keyed - waiting, changes)
        finally:
            server.stop()


def _copy(example: Job) -> Job:
    now = utc_now()
    twin = new_job(now, provider=example.provider, action=example.action, delivery="poll")
    own = {"id": twin.id, "revision": twin.revision, "wake_at": now + timedelta(days=30)}
    return example.model_copy(update={**own, "task_id": secrets.token_hex(16)})


def _idempotency_keys() -> Iterable[IdempotencyKey]:
    while True:
        yield IdempotencyKey(f"python:{secrets.token_hex(16)}", secrets.token_hex(32))


def _add_jobs(
    store: Store, make: Callable[[], Job], keys_of_jobs: Iterable[IdempotencyKey] = ()
) -> float:
    """Return the bytes of each job, without the stream of changes, whose length is bounded."""
    # Newer servers free memory in the background unless told otherwise.
    store.redis.execute_command("FLUSHALL", "SYNC")
    source, empty = iter(keys_of_jobs), _used_bytes(store.redis)
    for _ in range(0, JOBS, BATCH):
        jobs = [make() for _ in range(BATCH)]
        store.add(jobs, [next(source) for _ in jobs] if keys_of_jobs else ())
    return (_used_bytes(store.redis) - empty - _stream_bytes(store.redis)) / JOBS


def _stream_bytes(client: redis.Redis) -> int:
    return int(client.memory_usage(keys.CHANGES, samples=0) or 0)


def _used_bytes(client: redis.Redis) -> int:
    info: Any = client.info("memory")
    return int(info["used_memory"])


def print_table(found: Records) -> None:
    """Print a row for each kind."""
    print(f"| Redis stores, {JOBS:,} of each | bytes | for how long |")
    print("|---|---|---|")
    print(f"| a waiting job, with its prompt of 300 bytes | {found.waiting:,.0f} | minutes |")
    print(f"| an ended job with one image | {found.ended:,.0f} | `RETENTION_S`, 30 days |")
    print(f"| an idempotency key | {found.key:,.0f} | a day |")
    print(
        f"| 1,000 changes in the stream | {found.thousand_changes:,.0f} "
        f"| the latest {MAX_CHANGES:,} |"
    )
