"""One run of one stack: its own Redis and provider, warm workers, jobs from POST to picture."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import redis
import requests

from benchmarks.cheap_provider import make_picture
from benchmarks.peers.stacks import PROGRAMS, Size, Stack
from benchmarks.peers.usage import PeakMemory, Traffic, cpu_s, idle_s, tree
from benchmarks.system import answers, until
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import LOOPBACK, free_port
from imagequeue.store.jobs import Store

WARM_UP = 128
LOOK_EVERY_S = 0.05
REST_S = 0.5
PATIENCE_S = 90


class Layout(NamedTuple):
    """Which cores are whose; the kernel shares out what is not said."""

    workers: tuple[frozenset[int], ...] = ()
    """Those of each worker command, in turn."""
    others: frozenset[int] = frozenset()
    """Those of Redis, provider and submission."""


class Figures(NamedTuple):
    """What one run took, from the first job taken to the last picture stored."""

    jobs_a_s: float
    rss_mib: float
    idle_cores: float
    """What nobody used, on average."""
    left_cores: float
    """The part of it on cores that the workers may use."""
    load_cores: float
    """What this process used to look on."""

    # A job:
    cpu_ms: float
    commands: float
    round_trips: float
    redis_kb: float
    redis_cpu_ms: float
    provider_cpu_ms: float
    submission_commands: float

    @property
    def foreign_cores(self) -> float:
        """What processes used that have no part in the run, on average."""
        ours_ms = self.cpu_ms + self.redis_cpu_ms + self.provider_cpu_ms
        known = ours_ms * self.jobs_a_s / 1000 + self.load_cores + self.idle_cores
        return max(0.0, (os.cpu_count() or 1) - known)

    @property
    def worker_cores(self) -> float:
        """What the workers used, on average."""
        return self.cpu_ms * self.jobs_a_s / 1000


class Run:
    """Everything that one stack needs to do jobs in `folder`."""

    def __init__(
        self, stack: Stack, size: Size, folder: Path, layout: Layout, answer_s: float
    ) -> None:
        self.stack, self.size, self._folder, self._layout = stack, size, folder, layout
        self._pictures = folder / "data" / "pictures"
        self._pictures.mkdir(parents=True)
        self._picture = make_picture(folder / "picture.png")
        self._embedded = EmbeddedRedis(Settings(data_dir=folder / "data"))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._bin = stack.bin()
        self._provider_url = f"http://{LOOPBACK}:{free_port()}"
        self._answer_s = answer_s
        self._submitted = 0

    def start(self) -> None:
        """Return once every worker is warm."""
        with _on(self._layout.others):
            self._embedded.start()
            self.redis = redis.Redis.from_url(self._embedded.url)
            self._redis_process = psutil.Process(self.redis.info("server")["process_id"])
            self._provider = psutil.Process(self._start(self._provider_command()).pid)
        until(lambda: answers(f"{self._provider_url}/count"))
        pids = []
        for nth, command in enumerate(self.stack.commands(self._bin, self.size)):
            cores = self._layout.workers
            with _on(cores[nth % len(cores)] if cores else frozenset()):
                pids.append(self._start(command).pid)
        until(self._is_ready)
        self._workers = tree(pids)
        self.submit(WARM_UP)
        self.wait()
        time.sleep(REST_S)

    def prepare(self, jobs: int) -> None:
        """Submit to workers that stand still."""
        for process in self._workers:
            process.suspend()
        idle = Traffic.of(self.redis)
        self.submit(jobs)
        self._jobs, self._submission = jobs, Traffic.of(self.redis) - idle

    def measure(self) -> Figures:
        """Let the workers go, until the last picture is there."""
        # What the one before left to be written is not this one's to wait for.
        os.sync()
        memory, jobs = PeakMemory(self._workers), self._jobs
        before, cpu_before = Traffic.of(self.redis), self._cpu_s()
        memory.start()
        started = time.perf_counter()
        for process in self._workers:
            process.resume()
        self.wait()
        took_s = time.perf_counter() - started
        own_s, redis_s, provider_s, load_s, idle, left = (
            now - was for now, was in zip(self._cpu_s(), cpu_before, strict=True)
        )
        traffic, rss_mib = Traffic.of(self.redis) - before, memory.stop()
        self._verify()
        return Figures(
            jobs_a_s=jobs / took_s,
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

    def submit(self, jobs: int) -> None:
        """Submit so many more, in a process of its own."""
        first, self._submitted = self._submitted, self._submitted + jobs
        what = [self.stack.program, str(first), str(self._submitted)]
        command = [self._bin / "python", "submit.py", *what]
        with _on(self._layout.others):
            subprocess.run(command, env=self._environment(), cwd=PROGRAMS, check=True)

    def wait(self) -> None:
        """Return once each picture is stored whole, and each job of ours is recorded as done."""
        until(lambda: self._count()["pictures"] >= self._submitted, PATIENCE_S)
        until(self._is_stored, PATIENCE_S)

    def stop(self) -> None:
        """End everything."""
        for process in self._processes:
            _end(process)
        self._embedded.stop()

    def _cpu_s(self) -> tuple[float, ...]:
        others = ([self._redis_process], [self._provider], [psutil.Process()])
        own_cores = frozenset().union(*self._layout.workers[: self.size.processes])
        return (cpu_s(self._workers), *map(cpu_s, others), idle_s(), idle_s(own_cores))

    def _count(self) -> dict[str, int]:
        time.sleep(LOOK_EVERY_S)
        for process in self._processes:
            if (status := process.poll()) is not None:
                raise RuntimeError(f"a process of {self.stack.name} ended by itself: {status}")
        count: dict[str, int] = requests.get(f"{self._provider_url}/count", timeout=5).json()
        return count

    def files(self) -> list[Path]:
        """Every picture that was saved."""
        return list(self._pictures.rglob("*.png"))

    def _is_stored(self) -> bool:
        whole = [path for path in self.files() if path.stat().st_size == len(self._picture)]
        if len(whole) < self._submitted:
            return False
        if self.stack.name != "imagequeue":
            return True
        return Store(self.redis).counts()[State.SUCCEEDED] == self._submitted

    def _verify(self) -> None:
        """Each job was paid exactly once, and each picture is what was served."""
        count = self._count()
        assert count["accepted"] == count["prompts"] == self._submitted, count
        assert count["pictures"] == self._submitted, count
        files, whole = self.files(), hashlib.sha256(self._picture).digest()
        assert len(files) == self._submitted
        assert all(hashlib.sha256(path.read_bytes()).digest() == whole for path in files)

    def _is_ready(self) -> bool:
        logs = [path.read_text(errors="replace") for path in self._folder.glob("*.log")]
        return sum(log.count(self.stack.ready) for log in logs) >= self.size.processes

    def _provider_command(self) -> list[str]:
        port = self._provider_url.rpartition(":")[2]
        module = "benchmarks.cheap_provider"
        return [
            *(sys.executable, "-m", module, "--port", port, "--answer-s", str(self._answer_s)),
            *("--picture", str(self._folder / "picture.png")),
        ]

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=PROGRAMS,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        """What each program is told; another stack's it does not read."""
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PEER_REDIS": self._embedded.url,
            "PEER_PROVIDER": self._provider_url,
            "PEER_PICTURES": str(self._pictures),
            "PEER_AT_ONCE": str(self.size.at_once),
            "IMAGEQUEUE_REDIS_URL": self._embedded.url,
            "IMAGEQUEUE_DATA_DIR": str(self._folder / "data"),
            "IMAGEQUEUE_SECRET_KEY": "a secret of the benchmark",
            "IMAGEQUEUE_ACEDATA_BASE_URL": self._provider_url,
            "IMAGEQUEUE_ACEDATA_API_KEY": "key",
            "IMAGEQUEUE_DOWNLOAD_TRUSTED_HOSTS": self._provider_url.removeprefix("http://"),
            "IMAGEQUEUE_POLL_COUNTDOWNS": "0.01",
        }


@contextmanager
def _on(cores: frozenset[int]) -> Iterator[None]:
    """What is started inside stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(stack: Stack, size: Size, layout: Layout, answer_s: float = 0.0) -> Iterator[Run]:
    """A run with warm workers, on an empty Redis; everything is ended after it.

    Its files are emptied, and removed when this process ends: for minutes, ext4 looks at every file
    that was removed before it makes a new one, and the next run would pay for this one's.
    """
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run = Run(stack, size, folder, layout, answer_s)
    try:
        run.start()
        yield run
    finally:
        run.stop()
        for path in run.files():
            os.truncate(path, 0)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all below it: they are a session of their own."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
