"""What workers cost while there is nothing to do, and while very many jobs wait."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import redis

from benchmarks.cheap import CheapSystem
from benchmarks.waiting import BATCH, waiting_job
from imagequeue.store.jobs import Store

WORKERS = (1, 2, 4, 8)
THREADS = 16
WAITING = 100_000
SETTLE_S = 2.0
WATCHED_S = 6.0


class Idle(NamedTuple):
    """Of Redis in all, and of one worker."""

    commands_a_second: float
    redis_share: float
    worker_share: float


def idle() -> dict[tuple[int, int], Idle]:
    """By the number of workers and of waiting jobs."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        system = CheapSystem(Path(folder), workers=max(WORKERS), threads=THREADS)
        try:
            with redis.Redis.from_url(system.redis.url) as client:
                for count in WORKERS:
                    names = system.start_workers(count)
                    found[count, 0] = _watch(system, client, names)
                store = Store(client)
                for _ in range(0, WAITING, BATCH):
                    store.add([waiting_job() for _ in range(BATCH)])
                found[count, WAITING] = _watch(system, client, names)
        finally:
            system.stop()
    return found


def _watch(system: CheapSystem, client: redis.Redis, names: list[str]) -> Idle:
    time.sleep(SETTLE_S)
    before, started = _used(system, client, names), time.monotonic()
    time.sleep(WATCHED_S)
    after, took_s = _used(system, client, names), time.monotonic() - started
    commands, server_s, worker_s = (
        (now - then) / took_s for then, now in zip(before, after, strict=True)
    )
    return Idle(commands, server_s, worker_s / len(names))


def _used(system: CheapSystem, client: redis.Redis, names: list[str]) -> tuple[float, float, float]:
    info: Any = client.info("all")
    times = [psutil.Process(system.pid(name)).cpu_times() for name in names]
    return (
        info["total_commands_processed"],
        info["used_cpu_user"] + info["used_cpu_sys"],
        sum(each.user + each.system for each in times),
    )


def table(found: dict[tuple[int, int], Idle]) -> None:
    """A row for each."""
    print("| idle workers | waiting jobs | Redis commands/s | Redis, of a core | each worker |")
    print("|---|---|---|---|---|")
    for (workers, waiting), each in found.items():
        print(
            f"| {workers} | {waiting:,} | {each.commands_a_second:.0f} "
            f"| {each.redis_share:.2%} | {each.worker_share:.2%} |"
        )


def of_one(found: dict[tuple[int, int], Idle]) -> Idle:
    """One worker's share, from the most workers that were idle without a job."""
    most = max(WORKERS)
    all_of_them = found[most, 0]
    return Idle(
        all_of_them.commands_a_second / most,
        all_of_them.redis_share / most,
        all_of_them.worker_share,
    )
