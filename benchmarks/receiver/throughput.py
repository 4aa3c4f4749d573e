"""Requests a second, beside the baseline."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

from benchmarks.receiver.baseline import LIST
from benchmarks.receiver.bench import Bench
from benchmarks.receiver.load import Load
from benchmarks.receiver.posts import make_post
from benchmarks.usage import cpu_s_of
from imagequeue.store import keys

# More than any of these servers takes, over enough jobs that none exceeds its unread callbacks.
REQUESTS_PER_S = 8000
URLS = 1000
TASK_ID = re.compile(rb'"taskId": "(\w+)"')
WARM_UP_S = 1.0


class Round(NamedTuple):
    """One round of one server, with the share of a core that each process used."""

    rate: float
    lost: int
    server_cpu: float
    redis_cpu: float
    load_cpu: float


def compare(bench: Bench, rounds: int, seconds: float) -> None:
    """Run both in turn, and print a table."""
    ours, baseline = [], []
    for name in ("receiver", "baseline"):
        run_round(bench, name, WARM_UP_S)
    for _ in range(rounds):
        ours.append(run_round(bench, "receiver", seconds))
        baseline.append(run_round(bench, "baseline", seconds))
    print("| | requests/s, median | lowest to highest | 200s lost | core: server, Redis, load |")
    print("|---|---|---|---|---|")
    for name, runs in (("receiver", ours), ("bare Starlette", baseline)):
        rates = [each.rate for each in runs]
        shares = (
            f"{median(column):.0%}"
            for column in zip(*((e.server_cpu, e.redis_cpu, e.load_cpu) for e in runs), strict=True)
        )
        print(
            f"| {name} | {median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} "
            f"| {sum(each.lost for each in runs)} | {', '.join(shares)} |"
        )
    ratios = [our.rate / base.rate for our, base in zip(ours, baseline, strict=True)]
    print(
        f"| **ratio** | **{median(ratios):.2f}** | {min(ratios):.2f} to {max(ratios):.2f} | | |",
        flush=True,
    )


def run_round(bench: Bench, name: str, seconds: float) -> Round:
    """Send as many requests as one server takes, and count those that it lost."""
    port, iter_stored = {
        "receiver": (bench.receiver_port, _iter_stored_by_receiver),
        "baseline": (bench.baseline_port, _iter_stored_by_baseline),
    }[name]
    count = int(seconds * REQUESTS_PER_S)
    ids = [f"job_{number:026}" for number in range(URLS)]
    paths = [bench.callback_path(i) if name == "receiver" else "/callback" for i in ids]
    posts = [
        make_post(paths[n % URLS], secrets.token_hex(16), bench.image_url) for n in range(count)
    ]
    pids = (bench.system.pid(name), bench.redis_pid, os.getpid())
    before = [cpu_s_of(pid) for pid in pids]
    load = Load(port, posts)
    took_s = asyncio.run(load.run_closed(seconds))
    shares = [(cpu_s_of(pid) - was) / took_s for pid, was in zip(pids, before, strict=True)]
    stored = {m[1].decode() for entry in iter_stored(bench) if (m := TASK_ID.search(entry))}
    return Round(len(load.accepted) / took_s, len(load.accepted - stored), *shares)


def _iter_stored_by_receiver(bench: Bench) -> Iterator[bytes]:
    """Yield every body that the receiver stored, and delete them."""
    names = list(bench.redis.scan_iter(keys.callbacks("*"), count=1000))
    for name in names:
        entries: Any = bench.redis.lrange(name, 0, -1)
        yield from entries
        bench.redis.delete(name)


def _iter_stored_by_baseline(bench: Bench) -> Iterator[bytes]:
    """Yield every body that the baseline stored, and delete them."""
    entries: Any = bench.redis.lrange(LIST, 0, -1)
    yield from entries
    bench.redis.delete(LIST)
