"""From the submit call to the POST at the provider, while the workers are idle.

    python -m benchmarks.latency

One job at a time, at irregular intervals, alternating between the Python client and the HTTP API.
The clock starts with the call and stops at the first byte that the provider receives; all processes
share one monotonic clock. In between the job is stored and dispatched, and a worker takes the
message, records the intent to pay, and opens a connection. Nothing is pinned to a core.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import redis
import requests

from benchmarks.full_system import FullSystem
from benchmarks.provider import PROVIDER, read_posts
from benchmarks.system import exit_on_sigterm, wait_until
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.store.jobs import Store

WORKERS, THREADS = 2, 8
WARM_UP = 20
PAUSE_S = (0.02, 0.06)
TARGET = "p50 < 20, p99 < 100"
WAYS = ("LocalClient.submit", "POST /v1/jobs")

Submit = Callable[[str], str]


class Call(NamedTuple):
    """One submission, with times of the monotonic clock."""

    way: str
    prompt: str
    job_id: str
    started: float
    returned: float


def make_submits(system: FullSystem) -> dict[str, Submit]:
    """Return the two ways to submit: each takes a prompt and returns the job's id."""
    client, session = LocalClient(system.settings), requests.Session()

    def over_http(prompt: str) -> str:
        body = {"provider": PROVIDER, "prompt": prompt, "delivery": "poll"}
        response = session.post(f"{system.api_url}/v1/jobs", json=body, timeout=30)
        response.raise_for_status()
        return str(response.json()["id"])

    submits: tuple[Submit, ...] = (
        lambda prompt: client.submit(PROVIDER, prompt, delivery="poll").id,
        over_http,
    )
    return dict(zip(WAYS, submits, strict=True))


def submit_all(submits: dict[str, Submit], jobs: int, seed: int) -> list[Call]:
    """Submit `jobs` in each way, alternating; the first ones are not counted."""
    rng, calls = random.Random(seed), []
    for number in range(-WARM_UP, jobs):
        for way, submit in submits.items():
            prompt = f"a lighthouse in a storm, {way} {number}"
            started = time.monotonic()
            job_id = submit(prompt)
            calls.append(Call(way, prompt, job_id, started, time.monotonic()))
            time.sleep(rng.uniform(*PAUSE_S))
    return calls[WARM_UP * len(submits) :]


def read_intents(system: FullSystem, calls: list[Call]) -> dict[str, float]:
    """Return when each job's intent to pay was recorded, on the monotonic clock."""
    offset_s = time.time() - time.monotonic()
    with redis.Redis.from_url(system.redis.url) as client:
        jobs = Store(client).get_many(call.job_id for call in calls)
        return {
            job.id: change.at.timestamp() - offset_s
            for job in jobs
            for change in job.changes
            if change.to is State.SUBMITTING
        }


def report(system: FullSystem, calls: list[Call]) -> None:
    """Print both tables."""
    wait_until(lambda: len(read_posts(system.sandbox_url)) >= len(calls) + WARM_UP * len(WAYS))
    posts = read_posts(system.sandbox_url)
    arrived, intended = dict(posts), read_intents(system, calls)
    print(
        f"{WORKERS} idle workers of {THREADS} threads, API, receiver, Flower, Redis, provider "
        f"and this program on {os.cpu_count()} cores, none pinned; "
        f"{len(posts) - len(arrived)} paid twice.\n"
    )
    print(f"| from the call to the POST ({TARGET}) | p50, ms | p99, ms | max, ms |")
    print("|---|---|---|---|")
    for way in WAYS:
        waits = [(arrived[c.prompt] - c.started) * 1000 for c in calls if c.way == way]
        cuts = quantiles(waits, n=100, method="inclusive")
        print(f"| {way}, {len(waits)} jobs | {cuts[49]:.1f} | {cuts[98]:.1f} | {max(waits):.1f} |")
    print("\n| medians, ms after the call began | call returns | worker has it | POST arrives |")
    print("|---|---|---|---|")
    for way in WAYS:
        own = [call for call in calls if call.way == way]
        middles = [
            median((at - call.started) * 1000 for call, at in zip(own, times, strict=True))
            for times in (
                [call.returned for call in own],
                [intended[call.job_id] for call in own],
                [arrived[call.prompt] for call in own],
            )
        ]
        print(f"| {way} | " + " | ".join(f"{middle:.1f}" for middle in middles) + " |")


def main() -> None:
    """Submit jobs, and print the times."""
    parser = argparse.ArgumentParser(description="From the call to the provider.")
    parser.add_argument("--jobs", type=int, default=300, help="in each way")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        system = FullSystem(Path(folder), workers=WORKERS, threads=THREADS)
        try:
            system.start_all()
            report(system, submit_all(make_submits(system), options.jobs, options.seed))
        finally:
            system.stop()


if __name__ == "__main__":
    main()
