"""A backlog: many jobs are due at once, and the messages stay few.

    python -m benchmarks.backlog --jobs 100000

The jobs are unconfirmed ones past their deadline. A worker ends them without any request: that is
the cheapest step, so the queue itself is what is measured.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from benchmarks.system import System, exit_on_sigterm, wait_until
from imagequeue.config.queues import Queue
from imagequeue.jobs.job import Job, State, new_job, utc_now
from imagequeue.store import keys
from imagequeue.store.jobs import Store

BATCH = 1000
SAMPLE_EVERY_S = 0.02
SLOW_US = 1000


def _make_due_job() -> Job:
    due = utc_now() - timedelta(seconds=1)
    job = new_job(due, provider="acedata-flux", action="generate", delivery="poll")
    sent = job.transition_to(State.SUBMITTING, "submit", due, due)
    return sent.transition_to(State.UNCONFIRMED, "no answer", due, due)


class Watcher(threading.Thread):
    """Samples the poll queue: its length, and whether it is empty while jobs are due."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._redis = redis.Redis.from_url(url)
        self.over = threading.Event()
        self.longest = self.samples = self.empty = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self.over.wait(SAMPLE_EVERY_S):
            length: Any = self._redis.llen(Queue.POLL.value)
            due: Any = self._redis.zcount(keys.due(Queue.POLL), "-inf", time.time())
            self.longest = max(self.longest, length)
            self.samples += 1
            self.empty += bool(not length and due)


def measure(jobs: int, workers: int, folder: Path) -> dict[str, object]:
    """Add jobs, start the workers, and watch until the last job has ended."""
    system = System(folder, {"log_level": "WARNING"}, workers=workers)
    try:
        client = redis.Redis.from_url(system.redis.url)
        store = Store(client)
        for start in range(0, jobs, BATCH):
            store.add([_make_due_job() for _ in range(min(BATCH, jobs - start))])
        # Measure the queue, not the disk.
        client.config_set("appendfsync", "everysec")
        client.config_set("slowlog-log-slower-than", SLOW_US)
        client.config_set("slowlog-max-len", 10_000)
        client.slowlog_reset()
        client.config_resetstat()
        watcher = Watcher(system.redis.url)
        for name in system.workers:
            system.start(name)
        wait_until(lambda: store.count_by_state()[State.FAILED], 60)
        watcher.start()
        started = time.monotonic()
        wait_until(lambda: store.count_by_state()[State.FAILED] == jobs, 3600)
        took_s = time.monotonic() - started
        watcher.over.set()
        watcher.join()
        messages = client.info("commandstats")["cmdstat_lpush"]["calls"]
        slow: Any = client.slowlog_get(10_000)
        worst = max(slow, key=lambda entry: entry["duration"], default=None)
        blocked = f"{worst['duration'] / 1000:.1f} ({worst['command'][:40]!r})" if worst else "< 1"
        return {
            "jobs due at once": f"{jobs:,}",
            "workers": workers,
            "jobs a second": f"{jobs / took_s:,.0f}",
            "longest queue (bound)": f"{watcher.longest} ({system.settings.max_queued_messages})",
            "messages a job": f"{messages / jobs:.3f}",
            "queue empty while jobs were due": f"{watcher.empty / max(1, watcher.samples):.1%}",
            "Redis blocked at most, ms": blocked,
        }
    finally:
        system.stop()


def main() -> None:
    """Measure once, and print a table."""
    parser = argparse.ArgumentParser(description="Many jobs due at once.")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.jobs, options.workers, Path(folder))
    print("| | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
