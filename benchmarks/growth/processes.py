"""What each process has open: connections to Redis and files, and its memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import linear_regression, mean
from typing import NamedTuple

import psutil
import redis
import requests

from benchmarks.full_system import FullSystem
from benchmarks.provider import PROVIDER
from benchmarks.system import is_up, wait_until
from imagequeue.jobs.job import State, new_job, utc_now
from imagequeue.store.jobs import Store

THREADS = (4, 8, 16, 32)
WORKERS = (1, 2, 4)
JOBS_PER_THREAD = 4
LOOK_EVERY_S = 0.1
API_CALLS = 32
# Slow enough that every thread is busy, with an image that costs almost nothing.
PROVIDER_OPTIONS = ("--answer-after", "0.1", "--callback-after", "0.1", "--image-kb", "1")


class Open(NamedTuple):
    """What one process has open, or the mean of several."""

    connections: float
    files: float
    memory_mb: float


class Slopes(NamedTuple):
    """Connections and files of a worker: a fixed number, and more for each thread."""

    connections: float
    connections_per_thread: float
    files: float
    files_per_thread: float


Workers = dict[tuple[int, int], Open]
"""The mean worker, by (threads, number of workers)."""


def measure() -> tuple[Workers, dict[str, Open]]:
    """Return workers after a load that kept every thread busy, and other processes by name."""
    workers: Workers = {}
    others: dict[str, Open] = {}
    for threads in THREADS:
        with tempfile.TemporaryDirectory() as folder:
            # A path too long for a Unix socket: a TCP connection shows which process it belongs to.
            long = Path(folder) / ("long" * 25)
            long.mkdir()
            most = max(WORKERS)
            system = FullSystem(long, None, PROVIDER_OPTIONS, workers=most, threads=threads)
            try:
                system.start("sandbox")
                system.start("receiver")
                wait_until(lambda: is_up(f"{system.receiver_url}/readyz"))  # noqa: B023
                for count, found in _measure_workers(system, threads):
                    workers[threads, count] = found
                if threads == THREADS[-1]:
                    others = _measure_others(system)
            finally:
                system.stop()
    return workers, others


def _measure_workers(system: FullSystem, threads: int) -> Iterator[tuple[int, Open]]:
    done = 0
    with redis.Redis.from_url(system.redis.url) as client:
        store = Store(client)
        for count in WORKERS:
            names = system.start_workers(count)
            done += count * threads * JOBS_PER_THREAD
            _run_jobs(store, count * threads * JOBS_PER_THREAD, done)
            each = [_measure_process(system, name) for name in names]
            yield count, Open(*map(mean, zip(*each, strict=True)))


def _run_jobs(store: Store, jobs: int, done: int) -> None:
    for number in range(jobs):
        prompt = f"a lighthouse, {done} {number}"
        fields = {"provider": PROVIDER, "action": "generate", "prompt": prompt}
        store.add([new_job(utc_now(), **fields, delivery="callback")])
    deadline = time.monotonic() + 120
    while store.count_by_state()[State.SUCCEEDED] < done:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all succeeded: {store.count_by_state()}")
        time.sleep(LOOK_EVERY_S)


def _measure_others(system: FullSystem) -> dict[str, Open]:
    """Measure the receiver, the API after concurrent calls, and Flower with running workers."""
    for name in ("api", "flower"):
        system.start(name)
    system.wait_for_servers()
    body = {"provider": PROVIDER, "prompt": "a lighthouse", "delivery": "poll"}
    with ThreadPoolExecutor(API_CALLS) as pool:
        for _ in range(JOBS_PER_THREAD * API_CALLS):
            pool.submit(requests.post, f"{system.api_url}/v1/jobs", json=body, timeout=30)
    return {
        "receiver": _measure_process(system, "receiver"),
        f"API, after {API_CALLS} calls at once": _measure_process(system, "api"),
        "Flower": _measure_process(system, "flower"),
    }


def _measure_process(system: FullSystem, name: str) -> Open:
    process = psutil.Process(system.pid(name))
    port = int(system.redis.url.rpartition(":")[2].partition("/")[0])
    to_redis = [
        each
        for each in process.net_connections("tcp")
        if each.raddr and each.raddr.port == port and each.status == psutil.CONN_ESTABLISHED
    ]
    return Open(len(to_redis), process.num_fds(), process.memory_info().rss / 1e6)


def fit_slopes(workers: Workers) -> Slopes:
    """Fit a line through the measurements."""
    threads = [threads for threads, _ in workers]
    lines = [
        linear_regression(threads, column)
        for column in zip(
            *((each.connections, each.files) for each in workers.values()), strict=True
        )
    ]
    (connections, files) = lines
    return Slopes(connections.intercept, connections.slope, files.intercept, files.slope)


def print_table(workers: Workers, others: dict[str, Open]) -> None:
    """Print both tables."""
    heads = [f"{count} worker{'s' if count > 1 else ''}" for count in WORKERS]
    print(f"| Redis connections, open files of each worker | {' | '.join(heads)} | MB each |")
    print("|---" * (len(heads) + 2) + "|")
    for threads in THREADS:
        row = [workers[threads, count] for count in WORKERS]
        cells = " | ".join(f"{each.connections:.0f}, {each.files:.0f}" for each in row)
        print(f"| {threads} threads | {cells} | {row[-1].memory_mb:.0f} |")
    line = fit_slopes(workers)
    print(
        f"\nA worker has {line.connections:.1f} connections and {line.connections_per_thread:.2f} "
        f"more for each thread, {line.files:.0f} files and {line.files_per_thread:.2f} more.\n"
    )
    print("| each | Redis connections | open files | MB |")
    print("|---|---|---|---|")
    for name, each in others.items():
        print(f"| {name} | {each.connections:.0f} | {each.files:.0f} | {each.memory_mb:.0f} |")
