"""What idle workers cost, without jobs and with many waiting jobs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import redis

from benchmarks.full_system import FullSystem
from benchmarks.waiting import BATCH, make_waiting_job
from imagequeue.store.jobs import Store

WORKERS = (1, 2, 4, 8)
THREADS = 16
WAITING = 100_000
SETTLE_S = 2.0
WATCHED_S = 6.0


class Idle(NamedTuple):
    """The load on Redis by all workers, and of one worker."""

    commands_per_s: float
    redis_share: float
    worker_share: float


def measure() -> dict[tuple[int, int], Idle]:
    """Return the load by (number of workers, number of waiting jobs)."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        system = FullSystem(Path(folder), workers=max(WORKERS), threads=THREADS)
        try:
            with redis.Redis.from_url(system.redis.url) as client:
                for count in WORKERS:
                    names = system.start_workers(count)
                    found[count, 0] = _watch(system, client, names)
                store = Store(client)
                for _ in range(0, WAITING, BATCH):
                    store.add([make_waiting_job() for _ in range(BATCH)])
                found[count, WAITING] = _watch(system, client, names)
        finally:
            system.stop()
    return found


def _watch(system: FullSystem, client: redis.Redis, names: list[str]) -> Idle:
    time.sleep(SETTLE_S)
    before, started = _used(system, client, names), time.monotonic()
    time.sleep(WATCHED_S)
    after, took_s = _used(system, client, names), time.monotonic() - started
    commands, server_s, worker_s = (
        (now - then) / took_s for then, now in zip(before, after, strict=True)
    )
    return Idle(commands, server_s, worker_s / len(names))


def _used(system: FullSystem, client: redis.Redis, names: list[str]) -> tuple[float, float, float]:
    info: Any = client.info("all")
    times = [psutil.Process(system.pid(name)).cpu_times() for name in names]
    return (
        info["total_commands_processed"],
        info["used_cpu_user"] + info["used_cpu_sys"],
        sum(each.user + each.system for each in times),
    )


def print_table(found: dict[tuple[int, int], Idle]) -> None:
    """Print a row for each."""
    print("| idle workers | waiting jobs | Redis commands/s | Redis, of a core | each worker |")
    print("|---|---|---|---|---|")
    for (workers, waiting), each in found.items():
        print(
            f"| {workers} | {waiting:,} | {each.commands_per_s:.0f} "
            f"| {each.redis_share:.2%} | {each.worker_share:.2%} |"
        )


def of_one_worker(found: dict[tuple[int, int], Idle]) -> Idle:
    """Return one worker's share, from the largest number of workers without jobs."""
    most = max(WORKERS)
    all_workers = found[most, 0]
    return Idle(
        all_workers.commands_per_s / most,
        all_workers.redis_share / most,
        all_workers.worker_share,
    )
