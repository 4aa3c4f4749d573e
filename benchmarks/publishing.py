"""Submissions a second: validated, on disk and dispatched, beside plain Celery's `apply_async`.

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

from benchmarks.system import exit_on_sigterm
from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.embedded_redis import EmbeddedRedis

REQUEST: dict[str, Any] = {
    "provider": "kie-flux-kontext",
    "prompt": ("a lighthouse in a storm, oil on canvas, " * 8)[:300],
    "params": {"aspect_ratio": "16:9"},
}
# In a process of its own: the module reads the broker's address when it is imported.
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


def time_s(step: Callable[[], object]) -> float:
    """Return the seconds that a step takes."""
    started = time.monotonic()
    step()
    return time.monotonic() - started


def submit_batch(client: LocalClient, jobs: int) -> float:
    """Return the seconds for one batch."""
    items = [{**REQUEST, "metadata": {"n": n}} for n in range(jobs)]
    return time_s(lambda: client.submit_batch(items))


def submit_each(client: LocalClient, jobs: int) -> float:
    """Return the seconds for one call for each job."""

    def loop() -> None:
        for n in range(jobs):
            client.submit(**REQUEST, metadata={"n": n})

    return time_s(loop)


def send_with_celery(url: str, jobs: int) -> float:
    """Return the seconds for one message for each job; plain Celery stores nothing else."""
    environment = {**os.environ, "PLAIN_BROKER": url.replace("unix://", "redis+socket://")}
    command = [sys.executable, "-c", CELERY, str(jobs), REQUEST["prompt"]]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(output.stdout)


def measure(jobs: int, folder: Path) -> dict[str, float]:
    """Measure each way on an empty Redis that flushes every acknowledged write to disk."""
    server = EmbeddedRedis(Settings(data_dir=folder / "data"))
    url = server.start()
    settings = read_settings(
        redis_url=url, data_dir=folder, kie_api_key="k", max_queued_messages=10 * jobs
    )
    # The default bound: jobs beyond it need no message.
    bounded = read_settings(redis_url=url, data_dir=folder, kie_api_key="k")
    try:
        with redis.Redis.from_url(settings.redis_url or "") as store:
            client = LocalClient(settings)
            client.submit(**REQUEST)
            took = {"imagequeue, one batch": submit_batch(LocalClient(bounded), jobs)}
            store.flushall()
            took["imagequeue, one call each, workers keep up"] = submit_each(client, jobs)
            assert client.counts()[State.QUEUED] == jobs
            store.flushall()
            took["imagequeue, one call each, a backlog"] = submit_each(LocalClient(bounded), jobs)
            store.flushall()
            took["Celery `apply_async`"] = send_with_celery(settings.redis_url or "", jobs)
        return took
    finally:
        server.stop()


def main() -> None:
    """Measure once, and print a table."""
    parser = argparse.ArgumentParser(description="How fast jobs are submitted.")
    parser.add_argument("--jobs", type=int, default=5000)
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        took = measure(options.jobs, Path(folder))
    print(f"| {options.jobs:,} jobs | seconds | jobs a second |\n|---|---|---|")
    for name, seconds in took.items():
        print(f"| {name} | {seconds:.2f} | {options.jobs / seconds:,.0f} |")


if __name__ == "__main__":
    main()
