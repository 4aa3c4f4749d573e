"""How fast jobs are taken in: checked, on disk and hinted, beside plain Celery's `apply_async`.

python -m benchmarks.publishing --jobs 5000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import Client
from imagequeue.producer.local.embedded_redis import EmbeddedRedis

REQUEST: dict[str, Any] = {
    "provider": "kie-flux-kontext",
    "prompt": ("a lighthouse in a storm, oil on canvas, " * 8)[:300],
    "params": {"aspect_ratio": "16:9"},
}
# In a process of its own: the broker's address is read as its module is imported.
CELERY = """
import sys, time
from benchmarks.plain_celery import app, poll
with app.producer_pool.acquire(block=True) as producer:
    poll.apply_async((sys.argv[2],), producer=producer)
    started = time.monotonic()
    for _ in range(int(sys.argv[1])):
        poll.apply_async((sys.argv[2],), producer=producer)
    print(time.monotonic() - started)
"""


def timed(step: Callable[[], object]) -> float:
    """How many seconds a step takes."""
    started = time.monotonic()
    step()
    return time.monotonic() - started


def batch(client: Client, jobs: int) -> float:
    """Seconds for one batch."""
    items = [{**REQUEST, "metadata": {"n": n}} for n in range(jobs)]
    return timed(lambda: client.submit_batch(items))


def one_by_one(client: Client, jobs: int) -> float:
    """Seconds for as many calls, with a queue that has room for every hint."""

    def loop() -> None:
        for n in range(jobs):
            client.submit(**REQUEST, metadata={"n": n})

    return timed(loop)


def plain_celery(url: str, jobs: int) -> float:
    """Seconds for as many messages, which are all that plain Celery keeps of a job."""
    environment = {**os.environ, "PLAIN_BROKER": url.replace("unix://", "redis+socket://")}
    command = [sys.executable, "-c", CELERY, str(jobs), REQUEST["prompt"]]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(said.stdout)


def measure(jobs: int, folder: Path) -> dict[str, float]:
    """Each contestant on an empty Redis that has every answered write on its disk."""
    server = EmbeddedRedis(Settings(data_dir=folder / "data"))
    url = server.start()
    settings = read_settings(
        redis_url=url, data_dir=folder, kie_api_key="k", max_queued_messages=10 * jobs
    )
    # As it is by default: what waits beyond it costs no hint.
    bounded = read_settings(redis_url=url, data_dir=folder, kie_api_key="k")
    try:
        with redis.Redis.from_url(settings.redis_url or "") as store:
            client = Client(settings)
            client.submit(**REQUEST)
            took = {"imagequeue, one batch": batch(Client(bounded), jobs)}
            store.flushall()
            took["imagequeue, one call each, workers keep up"] = one_by_one(client, jobs)
            assert client.counts()[State.QUEUED] == jobs
            store.flushall()
            took["imagequeue, one call each, a backlog"] = one_by_one(Client(bounded), jobs)
            store.flushall()
            took["Celery `apply_async`"] = plain_celery(settings.redis_url or "", jobs)
        return took
    finally:
        server.stop()


def main() -> None:
    """Measure once, and print a table."""
    parser = argparse.ArgumentParser(description="How fast jobs are taken in.")
    parser.add_argument("--jobs", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took = measure(options.jobs, Path(folder))
    print(f"| {options.jobs:,} jobs | seconds | jobs a second |\n|---|---|---|")
    for name, seconds in took.items():
        print(f"| {name} | {seconds:.2f} | {options.jobs / seconds:,.0f} |")


if __name__ == "__main__":
    main()
