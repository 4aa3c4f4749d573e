"""Latency under a steady load, and from one callback to its image."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from statistics import median, quantiles

import requests

from benchmarks.receiver.bench import OTHER_CORE, SERVER_CORE, Bench
from benchmarks.receiver.load import LOOK_EVERY_S, Load
from benchmarks.system import wait_until
from benchmarks.usage import cpu_s_of, pin
from imagequeue.jobs.job import Job, State
from imagequeue.producer.local.ports import LOOPBACK

RATE = 500
PAUSE_S = 0.05


def measure_load(bench: Bench, seconds: float) -> None:
    """Send at a steady rate while workers apply the callbacks, and print a table."""
    posts = bench.add_waiting_jobs(int(seconds * RATE))
    load = Load(bench.receiver_port, posts)
    bench.pin_workers(OTHER_CORE)
    for pid in (bench.redis_pid, os.getpid()):
        pin(pid, SERVER_CORE)
    # This program's garbage collector must not delay the requests.
    gc.collect()
    gc.freeze()
    pids = (bench.system.pid("receiver"), bench.redis_pid, os.getpid())
    before = [cpu_s_of(pid) for pid in pids]
    asyncio.run(load.run_steady(RATE))
    shares = [(cpu_s_of(pid) - was) / seconds for pid, was in zip(pids, before, strict=True)]
    applied = bench.count_finished() + bench.store.count_by_state()[State.DOWNLOADING]
    drained_s = _drain(bench)
    ended = {job.id: job.state for job in bench.store.get_many(bench.jobs.values())}
    lost = sum(ended.get(bench.jobs[task]) is not State.SUCCEEDED for task in load.accepted)
    cuts = quantiles(load.latencies_ms, n=100, method="inclusive")
    print(f"\n| {RATE} callbacks a second, {seconds:g} s | |")
    print("|---|---|")
    print(
        f"| p50, p99, max, ms | {cuts[49]:.1f}, {cuts[98]:.1f}, {max(load.latencies_ms):.1f} |\n"
        f"| sent, answered 200 | {len(posts):,}, {len(load.accepted):,} |\n"
        f"| applied by then; succeeded {drained_s:.0f} s later "
        f"| {applied:,}; {len(load.accepted) - lost:,} |\n"
        f"| **lost** | {lost} |\n"
        f"| core: receiver, Redis, load | {', '.join(f'{share:.0%}' for share in shares)} |",
        flush=True,
    )


def _drain(bench: Bench) -> float:
    """Wait until every job has ended, with the workers on both cores; returns the seconds."""
    bench.pin_workers(SERVER_CORE, OTHER_CORE)
    started = time.monotonic()
    wait_until(lambda: bench.count_finished() >= len(bench.jobs), 600)
    return time.monotonic() - started


def measure_single(bench: Bench, count: int) -> None:
    """Send one callback at a time to idle workers, and print a table."""
    bench.pin_workers(SERVER_CORE, OTHER_CORE)
    bare_get_ms = median(_get_ms(bench.image_url) for _ in range(count))
    waits_ms = []
    for post in bench.add_waiting_jobs(count):
        path = bench.callback_path(bench.jobs[post.task_id])
        body = post.request.partition(b"\r\n\r\n")[2]
        started_ms = time.time() * 1000
        url = f"http://{LOOPBACK}:{bench.receiver_port}{path}"
        requests.post(url, body, timeout=5).raise_for_status()
        job = _wait_for_success(bench, bench.jobs[post.task_id])
        waits_ms.append(job.updated_at.timestamp() * 1000 - started_ms - bare_get_ms)
        time.sleep(PAUSE_S)
    cuts = quantiles(waits_ms, n=100, method="inclusive")
    print("\n| callback to stored image, idle workers | p50, ms | p99, ms | max, ms |")
    print("|---|---|---|---|")
    print(
        f"| {count}, without the image's own {bare_get_ms:.1f} ms "
        f"| {cuts[49]:.0f} | {cuts[98]:.0f} | {max(waits_ms):.0f} |"
    )


def _get_ms(url: str) -> float:
    started = time.perf_counter()
    requests.get(url, timeout=5).raise_for_status()
    return (time.perf_counter() - started) * 1000


def _wait_for_success(bench: Bench, job_id: str) -> Job:
    deadline = time.monotonic() + 30
    while (job := bench.store.get(job_id)).state is not State.SUCCEEDED:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job_id} is {job.state}")
        time.sleep(LOOK_EVERY_S)
    return job
