"""One run of one stack: warm workers, and jobs from the POST to the stored image."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import redis

from benchmarks.peers.figures import Figures, Layout
from benchmarks.peers.processes import Processes
from benchmarks.peers.stacks import Size, Stack
from benchmarks.system import wait_until
from benchmarks.usage import PeakMemory, Traffic, cpu_s, idle_s
from imagequeue.jobs.job import State
from imagequeue.store.jobs import Store

WARM_UP_JOBS = 128
LOOK_EVERY_S = 0.05
SETTLE_S = 0.5
TIMEOUT_S = 90


class Run:
    """Submits jobs to a running stack, and measures it."""

    def __init__(self, processes: Processes, layout: Layout) -> None:
        self._processes, self._layout = processes, layout
        self._submitted = 0

    @property
    def redis(self) -> redis.Redis:
        """Return a client of the stack's Redis server."""
        return self._processes.redis

    def warm_up(self) -> None:
        """Run some jobs that are not counted."""
        self.submit(WARM_UP_JOBS)
        self.wait()
        time.sleep(SETTLE_S)

    def prepare(self, jobs: int) -> None:
        """Submit jobs while the workers are suspended."""
        for process in self._processes.workers:
            process.suspend()
        before = Traffic.of(self.redis)
        self.submit(jobs)
        self._jobs, self._submission = jobs, Traffic.of(self.redis) - before

    def measure(self) -> Figures:
        """Resume the workers, and measure until the last image is stored."""
        # Dirty pages of the previous run must not slow down this one.
        os.sync()
        memory = PeakMemory(self._processes.workers)
        before, cpu_before = Traffic.of(self.redis), self._cpu_s()
        memory.start()
        started = time.perf_counter()
        for process in self._processes.workers:
            process.resume()
        self.wait()
        took_s = time.perf_counter() - started
        used = [now - was for now, was in zip(self._cpu_s(), cpu_before, strict=True)]
        traffic, rss_mib = Traffic.of(self.redis) - before, memory.stop()
        self._verify()
        return self._to_figures(took_s, used, traffic, rss_mib)

    def submit(self, jobs: int) -> None:
        """Submit more jobs."""
        first, self._submitted = self._submitted, self._submitted + jobs
        self._processes.submit(first, self._submitted)

    def wait(self) -> None:
        """Return once every image is stored, and imagequeue has recorded every job as done."""
        wait_until(lambda: self._count()["images"] >= self._submitted, TIMEOUT_S)
        wait_until(self._is_stored, TIMEOUT_S)

    def files(self) -> list[Path]:
        """Return every image that was saved."""
        return list(self._processes.images.rglob("*.png"))

    def _to_figures(
        self, took_s: float, used: list[float], traffic: Traffic, rss_mib: float
    ) -> Figures:
        jobs = self._jobs
        own_s, redis_s, provider_s, load_s, idle, left = used
        return Figures(
            jobs_per_s=jobs / took_s,
            rss_mib=rss_mib,
            idle_cores=idle / took_s,
            left_cores=left / took_s,
            load_cores=load_s / took_s,
            cpu_ms=own_s * 1000 / jobs,
            commands=traffic.commands / jobs,
            round_trips=traffic.reads / jobs,
            redis_kb=traffic.bytes / 1000 / jobs,
            redis_cpu_ms=redis_s * 1000 / jobs,
            provider_cpu_ms=provider_s * 1000 / jobs,
            submission_commands=self._submission.commands / jobs,
        )

    def _cpu_s(self) -> tuple[float, ...]:
        running = self._processes
        others = ([running.redis_process], [running.provider], [psutil.Process()])
        own_cores = frozenset().union(*self._layout.workers[: running.size.processes])
        return (cpu_s(running.workers), *map(cpu_s, others), idle_s(), idle_s(own_cores))

    def _count(self) -> dict[str, int]:
        time.sleep(LOOK_EVERY_S)
        return self._processes.count()

    def _is_stored(self) -> bool:
        size = len(self._processes.image)
        if sum(path.stat().st_size == size for path in self.files()) < self._submitted:
            return False
        if self._processes.stack.name != "imagequeue":
            return True
        return Store(self.redis).count_by_state()[State.SUCCEEDED] == self._submitted

    def _verify(self) -> None:
        """Verify that each job was paid exactly once, and that each image is what was served."""
        count = self._count()
        assert count["accepted"] == count["prompts"] == self._submitted, count
        assert count["images"] == self._submitted, count
        files, digest = self.files(), hashlib.sha256(self._processes.image).digest()
        assert len(files) == self._submitted
        assert all(hashlib.sha256(path.read_bytes()).digest() == digest for path in files)


@contextmanager
def running(
    stack: Stack, size: Size, layout: Layout, answer_s: float = 0.0, *, tls: bool = False
) -> Iterator[Run]:
    """Yield a run with warm workers on an empty Redis, and stop everything afterwards.

    Its files are truncated now and removed when this process ends: ext4 looks at every recently
    removed file before it creates one, and the next run would pay for that.
    """
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    processes = Processes(stack, size, folder, layout, answer_s, tls=tls)
    run = Run(processes, layout)
    try:
        processes.start()
        run.warm_up()
        yield run
    finally:
        processes.stop()
        for path in run.files():
            os.truncate(path, 0)
