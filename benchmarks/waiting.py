"""What a waiting job costs in a worker and in Redis, beside Celery's countdown.

python -m benchmarks.waiting --jobs 100000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
import redis

from benchmarks.system import BIN, IMPORTS, System, exit_on_sigterm, wait_until
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Job, State, add_seconds, new_job, utc_now
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.store import keys
from imagequeue.store.jobs import Store

PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]
# Long enough for a worker to fetch the messages that it holds, and for several sweeps.
SETTLE_S = 10.0
BATCH = 1000


class Cost(NamedTuple):
    """What waiting jobs add to a worker's resident memory, and to Redis for each job."""

    worker_mb: float
    redis_bytes: float


def measure_imagequeue(jobs: int, folder: Path) -> Cost:
    """Measure imagequeue: the jobs wait in Redis, the worker sweeps."""
    system = System(folder, {"log_level": "WARNING"}, workers=1)
    try:
        system.start("worker-0")
        with redis.Redis.from_url(system.redis.url) as client:
            wait_until(lambda: client.exists("_kombu.binding.imagequeue"))
            idle_mb, empty = _rss_mb(system.pid("worker-0")), _used_bytes(client)
            store = Store(client)
            for start in range(0, jobs, BATCH):
                store.add([make_waiting_job() for _ in range(min(BATCH, jobs - start))])
            client.delete(keys.PLACES)  # only queued jobs have one
            used = _used_bytes(client) - empty
        return Cost(_rss_mb(system.pid("worker-0")) - idle_mb, used / jobs)
    finally:
        system.stop()


def make_waiting_job() -> Job:
    """Return a job between two polls, with its history."""
    now = utc_now()
    job = new_job(
        now,
        provider="kie-flux-kontext",
        action="generate",
        prompt=PROMPT,
        params={"aspect_ratio": "16:9"},
        delivery="callback",
    )
    sent = job.transition_to(State.SUBMITTING, "submit", now, now, attempts=1, api_version="legacy")
    task_id = "9e3f2a7c5b1d4e8f9a0b1c2d3e4f5a6b"
    poll_at = now + timedelta(hours=1)
    return sent.transition_to(
        State.WAITING, "accepted", add_seconds(now, 1), poll_at, task_id=task_id
    )


def measure_celery(jobs: int, folder: Path) -> Cost:
    """Measure plain Celery: a task for each job, sent with a countdown of an hour."""
    server = EmbeddedRedis(Settings(data_dir=folder / "data"))
    url = server.start()
    environment = {
        **os.environ,
        **IMPORTS,
        "PLAIN_BROKER": url.replace("unix://", "redis+socket://"),
    }
    command = [str(BIN / "celery"), "-A", "benchmarks.plain_celery", "worker"]
    command += ["-P", "threads", "-c", "8", "--without-gossip", "--without-mingle"]
    try:
        with _process(command, environment, folder / "worker.log") as worker:
            with redis.Redis.from_url(url) as client:
                wait_until(lambda: client.exists("_kombu.binding.celery"))
                idle_mb, empty = _rss_mb(worker.pid), _used_bytes(client)
                publish = [sys.executable, "-m", "benchmarks.plain_celery"]
                arguments = [*publish, str(jobs), PROMPT]
                subprocess.run(arguments, env=environment, cwd=folder, check=True)
                wait_until(lambda: client.zcard("unacked_index") >= jobs, timeout_s=600)
                used = _used_bytes(client) - empty
            return Cost(_rss_mb(worker.pid) - idle_mb, used / jobs)
    finally:
        server.stop()


@contextmanager
def _process(
    command: list[str], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=environment, cwd=log.parent, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _rss_mb(pid: int) -> float:
    time.sleep(SETTLE_S)
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def _used_bytes(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def main() -> None:
    """Measure one after the other, and print a table."""
    parser = argparse.ArgumentParser(description="What a waiting job costs.")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--alone", action="store_true", help="without plain Celery")
    options = parser.parse_args()
    exit_on_sigterm()
    contestants = {"imagequeue": measure_imagequeue, "Celery countdown": measure_celery}
    if options.alone:
        del contestants["Celery countdown"]
    print(f"| {options.jobs:,} waiting | worker, MB above idle | Redis, bytes a job |")
    print("|---|---|---|")
    for name, measure in contestants.items():
        with tempfile.TemporaryDirectory() as folder:
            cost = measure(options.jobs, Path(folder))
        print(f"| {name} | {cost.worker_mb:+.1f} | {cost.redis_bytes:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
