"""1,000 concurrent `AsyncClient.run` in one process, against one API process.

    python -m benchmarks.clients

Each wave submits its jobs at once and waits for all of them, by one stream of events. Afterwards
every job has to have succeeded, and every prompt to have been paid for once. The API's own time is
that from the head of a request to its whole answer, in the process of the API.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import secrets
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import requests

from benchmarks.full_system import FullSystem
from benchmarks.provider import read_posts
from benchmarks.system import BIN, exit_on_sigterm
from benchmarks.usage import MIB
from imagequeue import AsyncClient, AsyncJob

TARGET_MS = 100


async def run_wave(client: AsyncClient, wave: int, jobs: int) -> list[AsyncJob]:
    """Run jobs all at once, and return them once all are finished."""
    runs = (client.run("acedata-flux", f"wave {wave}, cat {n}") for n in range(jobs))
    return list(await asyncio.gather(*runs))


def read_rss(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    gc.collect()
    return float(psutil.Process(pid).memory_info().rss / MIB)


async def measure(system: FullSystem, key: str, waves: int, jobs: int) -> None:
    """Run the waves with an API key, or without any, and print a row for each."""
    print(f"| wave of {jobs} runs | succeeded | s | requests | {_heads()} | client, MB | API, MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    async with AsyncClient(system.api_url, key or None) as client:
        for wave in range(waves):
            started = time.monotonic()
            finished = await run_wave(client, wave, jobs)
            took_s = time.monotonic() - started
            succeeded = sum(job.state == "succeeded" for job in finished)
            del finished
            print(
                f"| {wave + 1} | {succeeded} | {took_s:.0f} | {_format_timings(system.api_url)} "
                f"| {read_rss(os.getpid()):.0f} | {read_rss(system.pid('api')):.0f} |",
                flush=True,
            )
    payments = Counter(prompt for prompt, _ in read_posts(system.sandbox_url))
    lost = waves * jobs - len(payments)
    twice = sum(count > 1 for count in payments.values())
    print(f"\nnot paid: {lost}; paid twice: {twice}")


def _heads() -> str:
    return f"API's own time: p50, ms | p99 < {TARGET_MS} | max"


def _format_timings(api_url: str) -> str:
    timings: list[Any] = requests.get(f"{api_url}/timings", timeout=30).json()
    cuts = quantiles([seconds * 1000 for _, seconds in timings], n=100, method="inclusive")
    longest_ms = max(seconds for _, seconds in timings) * 1000
    return f"{len(timings)} | {cuts[49]:.1f} | {cuts[98]:.1f} | {longest_ms:.0f}"


def main() -> None:
    """Start a system, run the waves and print the table."""
    parser = argparse.ArgumentParser(description="Concurrent runs of one client.")
    parser.add_argument("--jobs", type=int, default=1000, help="in each wave")
    parser.add_argument("--waves", type=int, default=3)
    parser.add_argument("--with-key", action="store_true", help="by an API key, as other machines")
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        key = secrets.token_urlsafe(32) if options.with_key else ""
        settings = {"api_keys": f"shop:{key}"} if key else {}
        system = FullSystem(Path(folder), settings, provider=("--image-kb", "20"))
        port = system.api_url.rpartition(":")[2]
        api = [str(BIN / "uvicorn"), "benchmarks.timed_api:app", "--no-access-log"]
        system.commands["api"] = [*api, "--port", port]
        try:
            system.start_all()
            asyncio.run(measure(system, key, options.waves, options.jobs))
        finally:
            system.stop()


if __name__ == "__main__":
    main()
