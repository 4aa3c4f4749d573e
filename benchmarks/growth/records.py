"""What Redis stores: bytes for each waiting and finished job, and for what belongs to them."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import redis

from benchmarks.waiting import BATCH, make_waiting_job
from imagequeue.config.settings import Settings
from imagequeue.jobs.idempotency import IdempotencyKey
from imagequeue.jobs.job import Job, State, new_job, utc_now
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.store import keys
from imagequeue.store.compare_and_set import MAX_CHANGES
from imagequeue.store.jobs import Store
from imagequeue.store.money import keys as money_keys

# Three quarters of a power of two: hash tables are between half and completely full.
JOBS = 25_000
# The same of a smaller one: each of these goes through its transitions.
SENT_JOBS = 3_000


class Records(NamedTuple):
    """Bytes of Redis's memory for one of each."""

    waiting: float
    finished: float
    """With its indexes and what lets a later request reuse its images."""
    entry: float
    """Of the ledger."""
    key: float
    thousand_changes: float

    @property
    def day_bytes(self) -> float:
        """Return what the finished jobs of a day take, for each job of it."""
        return self.finished + self.key + self.entry / 24

    def days_bytes(self, days: int) -> float:
        """Return the same of many days, for each job a day: keys and entries stay no longer."""
        return self.day_bytes + (days - 1) * self.finished


def measure(example: Job) -> Records:
    """Add `JOBS` of each kind to an empty Redis; `example` is a job that a run has ended."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Settings(data_dir=Path(folder)))
        try:
            with redis.Redis.from_url(server.start()) as client:
                # A running rewrite of the file would be counted too.
                client.config_set("auto-aof-rewrite-percentage", 0)
                store = Store(client)
                waiting, _ = _send_jobs(store, example, State.WAITING)
                finished, entry = _send_jobs(store, example, State.SUCCEEDED)
                new = _add_jobs(store, make_waiting_job)
                keyed = _add_jobs(store, make_waiting_job, _idempotency_keys())
                changes = _stream_bytes(client) / client.xlen(keys.CHANGES) * 1000
                return Records(waiting, finished, entry, keyed - new, changes)
        finally:
            server.stop()


def _send_jobs(store: Store, example: Job, last: State) -> tuple[float, float]:
    """Return the bytes of a job in the state `last`, and of its entry of the ledger."""
    store.redis.execute_command("FLUSHALL", "SYNC")
    empty = _used_bytes(store.redis)
    for _ in range(SENT_JOBS):
        job = _copy(example)
        store.add([job])
        for state, fields in (
            (State.SUBMITTING, {"account_key": example.account_key, "submissions": 1}),
            (State.WAITING, {"task_id": secrets.token_hex(16)}),
            (State.DOWNLOADING, {"images": example.images}),
            (State.SUCCEEDED, {"images": example.images}),
        ):
            job = store.transition(job, partial(_change, state, fields))
            if state is last:
                break
    entries = int(store.redis.memory_usage(money_keys.LEDGER, samples=0) or 0)
    used = _used_bytes(store.redis) - empty - _stream_bytes(store.redis) - entries
    return used / SENT_JOBS, entries / SENT_JOBS


def _copy(example: Job) -> Job:
    """Return the job of `example` as it was accepted, with an id and a fingerprint of its own."""
    given = {"provider", "action", "prompt", "params", "delivery", "submitted_by", "estimate"}
    request = {name: getattr(example, name) for name in given}
    return new_job(utc_now(), **request, fingerprint=secrets.token_hex(16))


def _change(state: State, fields: dict[str, Any], job: Job) -> Job:
    now = utc_now()
    return job.transition_to(state, "benchmark", now, now + timedelta(days=1), **fields)


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
    print("| Redis stores | bytes | for how long |")
    print("|---|---|---|")
    print(f"| a waiting job, with its prompt of 300 bytes | {found.waiting:,.0f} | minutes |")
    print(f"| a finished job with one image | {found.finished:,.0f} | a day, then in the archive |")
    print(f"| its idempotency key | {found.key:,.0f} | a day |")
    print(f"| its entry of the ledger | {found.entry:,.0f} | an hour, then in the archive |")
    print(
        f"| 1,000 changes in the stream | {found.thousand_changes:,.0f} "
        f"| the latest {MAX_CHANGES:,} |"
    )
