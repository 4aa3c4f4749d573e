"""Many queued jobs are cancelled with one command, and one by one.

python -m benchmarks.bulk --jobs 10000
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.filter import JobFilter
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.embedded_redis import EmbeddedRedis

BATCH = 1000
SINGLE = 500
"""So many jobs are cancelled one by one."""


def _measure(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _submit(client: LocalClient, jobs: int) -> list[str]:
    ids: list[str] = []
    for first in range(0, jobs, BATCH):
        count = min(BATCH, jobs - first)
        items = [{"provider": "acedata-flux", "prompt": f"{first + n}"} for n in range(count)]
        ids += [job.id for job in client.submit_many(items)]
    return ids


def measure(jobs: int, folder: Path) -> dict[str, str]:
    """Submit jobs, count them with a dry run, and cancel them."""
    redis = EmbeddedRedis(Settings(data_dir=folder))
    settings = read_settings(redis_url=redis.start(), data_dir=str(folder), acedata_api_key="key")
    try:
        client = LocalClient(settings)
        single = _submit(client, SINGLE)
        single_s = _measure(lambda: [client.cancel(job_id) for job_id in single]) / SINGLE
        _submit(client, jobs)
        queued = JobFilter(state=State.QUEUED)
        dry_s = _measure(lambda: client.bulk("cancel", queued, dry_run=True))
        bulk_s = _measure(lambda: client.bulk("cancel", queued))
        if (left := client.counts()[State.QUEUED]) != 0:
            raise RuntimeError(f"{left} jobs are still queued")
        return {
            "jobs": f"{jobs:,}",
            "dry run, s": f"{dry_s:.2f}",
            "cancelled, s": f"{bulk_s:.2f}",
            "single calls of `LocalClient.cancel`, ms a job": f"{single_s * 1000:.2f}",
            "times as fast as single calls": f"{single_s * jobs / bulk_s:.1f}",
        }
    finally:
        redis.stop()


def main() -> None:
    """Measure once, and print a table."""
    parser = argparse.ArgumentParser(description="Many jobs cancelled at once.")
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.jobs, Path(folder))
    print("| | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
