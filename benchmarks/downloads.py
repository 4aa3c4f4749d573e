"""Pictures a second from their URLs to the disk, beside a bare loop over urllib3.

    python -m benchmarks.downloads

The bare loop (`bare` below) fetches, hashes and writes: no job, no look at the picture, no fsync,
no second try. It runs as one program with 32 threads, as such a loop is written, and once more with
as many processes and threads as the workers. All have one local image server and one disk, and take
turns, so that a noisy machine is noisy for each.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import queue
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil
import redis
import urllib3
from PIL import Image as Picture

from benchmarks.system import BIN, System, until
from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.jobs.job import Image, Job, State, add_seconds, new_job, utc_now
from imagequeue.producer.local.ports import LOOPBACK, free_port
from imagequeue.store import keys
from imagequeue.store.jobs import Store
from imagequeue.store.wakeups import Priority, WakeUps

PROCESSES, THREADS = 2, 16
AT_ONCE = PROCESSES * THREADS
PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]
# As Midjourney makes them, and the most work a picture.
IMAGES_A_JOB = (4, 1)
LIFETIME_S = 14 * 86400
FAR_S = 3600
CHUNK_BYTES = 256 * 1024
MB = 1_000_000
BATCH = 500
# Noise, which no format makes smaller: each file has about 2 MB.
SIDES = {"PNG": 816, "JPEG": 1460}
DIFFERENT = 8


# --- The image server ----------------------------------------------------------------------------


def make_pictures(folder: Path) -> list[int]:
    """Different pictures in `folder`, named by their numbers; returns their sizes."""
    folder.mkdir()
    rng = random.Random(7)
    sizes = []
    for number in range(DIFFERENT):
        kind = list(SIDES)[number % len(SIDES)]
        side = SIDES[kind]
        picture = Picture.frombytes("RGB", (side, side), rng.randbytes(3 * side * side))
        buffer = BytesIO()
        picture.save(buffer, kind, **({"quality": 91} if kind == "JPEG" else {"compress_level": 1}))
        (folder / str(number)).write_bytes(buffer.getvalue())
        sizes.append(len(buffer.getvalue()))
    return sizes


def serve(folder: Path, port: int) -> None:
    """Answer GET of /N with picture N, in turn: a thread a connection, the kernel copies."""
    files = [(folder / str(number)).open("rb") for number in range(DIFFERENT)]
    with socket.create_server((LOOPBACK, port), backlog=64) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, files), daemon=True).start()


def _answer(connection: socket.socket, files: list[Any]) -> None:
    with connection:
        while request := connection.recv(65536):
            file = files[int(request.split(b" ", 2)[1][1:]) % DIFFERENT]
            size = os.fstat(file.fileno()).st_size
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % size
            )
            connection.sendall(head, socket.MSG_MORE)
            sent = 0
            while sent < size:
                sent += os.sendfile(connection.fileno(), file.fileno(), sent, size - sent)


# --- The baseline --------------------------------------------------------------------------------


def bare(folder: Path, port: int, at_once: int) -> None:
    """A process of the baseline: for each line `first last step` on its input, fetch those."""
    pool = urllib3.PoolManager(maxsize=at_once)
    for line in sys.stdin:
        numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(*map(int, line.split())):
            numbers.put(number)
        args = (pool, f"http://{LOOPBACK}:{port}/", folder, numbers)
        threads = [threading.Thread(target=_fetch_all, args=args) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("done", flush=True)


def _fetch_all(
    pool: urllib3.PoolManager, url: str, folder: Path, numbers: queue.SimpleQueue[int]
) -> None:
    while True:
        try:
            number = numbers.get_nowait()
        except queue.Empty:
            return
        digest = hashlib.sha256()
        response = pool.request("GET", f"{url}{number}", preload_content=False)
        with (folder / str(number)).open("wb") as file:
            for chunk in response.stream(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
        response.release_conn()
        digest.hexdigest()


class Bare:
    """The processes of a baseline."""

    def __init__(self, bench: Bench, processes: int) -> None:
        self.folder = bench.folder / f"bare-{processes}"
        self.folder.mkdir()
        at_once = ["--at-once", str(AT_ONCE // processes)]
        command = [sys.executable, "-m", "benchmarks.downloads", "--bare"]
        self._processes = [
            subprocess.Popen(
                [*command, str(self.folder), "--port", str(bench.port), *at_once],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(processes)
        ]

    @property
    def pids(self) -> list[int]:
        """Its processes."""
        return [process.pid for process in self._processes]

    def fetch(self, images: int, _: int) -> None:
        """Fetch so many pictures, each process its share."""
        for nth, process in enumerate(self._processes):
            assert process.stdin
            process.stdin.write(f"{nth} {images} {len(self._processes)}\n")
            process.stdin.flush()
        for process in self._processes:
            assert process.stdout
            process.stdout.readline()
        assert len(list(self.folder.iterdir())) == images

    def clear(self) -> None:
        """Put aside what was fetched."""
        put_aside(self.folder)
        self.folder.mkdir()

    def stop(self) -> None:
        """End its processes."""
        for process in self._processes:
            process.kill()
            process.wait()


def put_aside(folder: Path) -> None:
    """Empty a folder's files and rename it; all goes at the end.

    ext4 does not use an inode again for minutes, and walks over every one that was just freed when
    a file is made: removing a round's files would be paid for by the rounds after it.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    folder.rename(folder.with_name(f"{folder.name}-{time.monotonic_ns()}"))


# --- Ours ----------------------------------------------------------------------------------------


class Ours:
    """Real workers, and jobs whose URLs are known."""

    def __init__(self, bench: Bench) -> None:
        host = f"{LOOPBACK}:{bench.port}"
        self._system = System(bench.folder, {"download_trusted_hosts": host}, workers=PROCESSES)
        self._url = f"http://{host}/"
        self.client = redis.Redis.from_url(self._system.redis.url)
        self.redis_pid = int(self.client.info("server")["process_id"])
        self.store = Store(self.client)
        self._celery = make_celery(self._system.settings)
        settings = self._system.settings
        self._due = WakeUps(
            self.client,
            self.client,
            self._celery,
            bound=settings.max_queued_messages,
            lease_s=settings.lease_s,
        )
        self._succeeded = 0
        for name in self._system.workers:
            self._system.commands[name] = [
                *(str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-Q", "download"),
                *("-P", "threads", "-c", str(THREADS), "-n", f"{name}@%h"),
                *("--without-gossip", "--without-mingle"),
            ]
            self._system.start(name)
        logs = [bench.folder / f"{name}.log" for name in self._system.workers]
        until(lambda: all(" ready." in log.read_text() for log in logs))

    @property
    def pids(self) -> list[int]:
        """The workers' processes."""
        return [self._system.pid(name) for name in self._system.workers]

    def prepare(self, images: int, images_a_job: int) -> None:
        """Keep jobs that wait to be downloaded."""
        now = utc_now()
        jobs = [
            _downloading(now, [f"{self._url}{n}" for n in range(at, at + images_a_job)])
            for at in range(0, images, images_a_job)
        ]
        self._ids = [job.id for job in jobs]
        for at in range(0, len(jobs), BATCH):
            self.store.add(jobs[at : at + BATCH])
        # As the move would have done that made them so.
        self.client.zadd(keys.DEADLINES, {job.id: job.deadline.timestamp() for job in jobs})

    def fetch(self, images: int, images_a_job: int) -> None:
        """Make the jobs due, hint them as far as there is room, and wait for the last."""
        now = utc_now()
        due = dict.fromkeys(self._ids, now.timestamp())
        self.client.zadd(keys.due(Queue.DOWNLOAD), due)
        self._due.dispatch(Queue.DOWNLOAD, self._ids, now, Priority.LOW)
        self._succeeded += images // images_a_job
        until(lambda: self.store.counts()[State.SUCCEEDED] == self._succeeded, 300)

    def clear(self) -> None:
        """See that every picture is there, and put them aside."""
        folder = Path(self._system.settings.images_url.removeprefix("file://"))
        jobs = self.store.get_many(self._ids)
        files = {f"file://{path}" for path in folder.rglob("*") if path.suffix in (".png", ".jpg")}
        assert files == {image.uri for job in jobs for image in job.images}
        put_aside(folder)

    def stop(self) -> None:
        """End everything."""
        self._celery.close()
        self._system.stop()


def _downloading(now: datetime, urls: list[str]) -> Job:
    job = new_job(
        now, provider="kie-midjourney", action="generate", prompt=PROMPT, delivery="callback"
    )
    sent = job.transition_to(State.SUBMITTING, "submit", now, now)
    taken = sent.transition_to(State.WAITING, "accepted", now, now, task_id=job.id.lower())
    dies = add_seconds(now, LIFETIME_S)
    images = tuple(Image(index=n, source_url=url, expires_at=dies) for n, url in enumerate(urls))
    return taken.transition_to(
        State.DOWNLOADING, "callback", now, add_seconds(now, FAR_S), images=images
    )


# --- Rounds --------------------------------------------------------------------------------------


class Round(NamedTuple):
    """One round of one of the two."""

    mb_a_s: float
    cpu_s_a_gb: float
    redis_s_a_gb: float
    server: float
    """The share of a core that the image server took."""


class Bench:
    """The image server, the two that fetch from it, and their folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes = make_pictures(folder / "served")
        self.port = free_port()
        command = [sys.executable, "-m", "benchmarks.downloads", "--serve"]
        self.server = subprocess.Popen([*command, str(folder / "served"), "--port", str(self.port)])
        until(self._is_up)

    def _is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    def measured(self, pids: list[int], redis_pid: int, images: int, work: Any) -> Round:
        """What `work` on so many pictures takes."""
        # What the other one left to be written is not this one's to wait for.
        os.sync()
        before = [sum(map(cpu_s, pids)), cpu_s(redis_pid), cpu_s(self.server.pid)]
        started = time.perf_counter()
        work()
        took_s = time.perf_counter() - started
        now = [sum(map(cpu_s, pids)), cpu_s(redis_pid), cpu_s(self.server.pid)]
        own_s, redis_s, server_s = (b - a for a, b in zip(before, now, strict=True))
        total = sum(self.sizes[n % DIFFERENT] for n in range(images))
        gb = total / MB / 1000
        return Round(total / MB / took_s, own_s / gb, redis_s / gb, server_s / took_s)


def cpu_s(pid: int) -> float:
    """The processor time that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def server_alone(bench: Bench, images: int) -> float:
    """MB a second that this process takes off the server and drops."""

    def drain(first: int) -> None:
        room = bytearray(CHUNK_BYTES)
        with socket.create_connection((LOOPBACK, bench.port)) as connection:
            for number in range(first, images, THREADS):
                connection.sendall(b"GET /%d HTTP/1.1\r\n\r\n" % number)
                head = connection.recv_into(room)
                left = bench.sizes[number % DIFFERENT] - (head - room.index(b"\r\n\r\n") - 4)
                while left:
                    left -= connection.recv_into(room)

    started = time.perf_counter()
    threads = [threading.Thread(target=drain, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = sum(bench.sizes[n % DIFFERENT] for n in range(images))
    return total / MB / (time.perf_counter() - started)


@contextmanager
def peak_mb(pids: list[int]) -> Iterator[Callable[[], list[float]]]:
    """The most resident memory that each process had inside, over what it has now."""
    processes = [psutil.Process(pid) for pid in pids]
    first = [process.memory_info().rss for process in processes]
    most = list(first)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for nth, process in enumerate(processes):
                most[nth] = max(most[nth], process.memory_info().rss)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lambda: [(high - low) / MB for high, low in zip(most, first, strict=True)]
    finally:
        over.set()
        thread.join()


def images_a_round(options: Any) -> int:
    """What each fetches in a round: whole jobs of every size."""
    return int(options.images // options.rounds // max(IMAGES_A_JOB) * max(IMAGES_A_JOB))


def compare(
    bench: Bench, ours: Ours, bare_loops: dict[str, Bare], images_a_job: int, options: Any
) -> None:
    """Rounds of all in turn, and their rows."""
    images = images_a_round(options)
    mine = f"imagequeue, jobs of {images_a_job}"
    contenders: list[tuple[str, Any]] = [(mine, ours), *bare_loops.items()]
    runs: dict[str, list[Round]] = {name: [] for name, _ in contenders}
    for nth in range(options.rounds):
        for name, one in contenders if nth % 2 else contenders[::-1]:
            if one is ours:
                ours.prepare(images, images_a_job)
            work = lambda one=one: one.fetch(images, images_a_job)  # noqa: E731
            runs[name].append(bench.measured(one.pids, ours.redis_pid, images, work))
            one.clear()
    for name, _ in contenders:
        rates = [each.mb_a_s for each in runs[name]]
        cpu, redis_cpu, server = (
            median(getattr(each, field) for each in runs[name])
            for field in ("cpu_s_a_gb", "redis_s_a_gb", "server")
        )
        print(
            f"| {name} | {median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} "
            f"| {cpu:.2f} | {redis_cpu:.2f} | {server:.0%} |"
        )
    for name in bare_loops:
        ratios = [a.mb_a_s / b.mb_a_s for a, b in zip(runs[mine], runs[name], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| **ratio** to {name} | **{median(ratios):.2f}** | {spread} | | | |", flush=True)


def run(options: Any, folder: Path) -> None:
    """A table for each size of jobs."""
    bench = Bench(folder)
    ours = None
    bare_loops: dict[str, Bare] = {}
    try:
        ours = Ours(bench)
        for processes in (1, PROCESSES):
            name = f"bare urllib3, {processes} x {AT_ONCE // processes} threads"
            bare_loops[name] = Bare(bench, processes)
        with peak_mb(ours.pids) as grown:
            # A round of each, so that nobody's first imports, connections and pages of the page
            # cache are counted: memory that a virtual machine never used costs several times more.
            images = images_a_round(options)
            ours.prepare(images, 1)
            for one in (*bare_loops.values(), ours):
                one.fetch(images, 1)
                one.clear()
            alone = server_alone(bench, 1000)
            print("| | MB/s, median | lowest to highest | CPU s/GB | Redis, s/GB | image server |")
            print("|---|---|---|---|---|---|")
            for images_a_job in IMAGES_A_JOB:
                compare(bench, ours, bare_loops, images_a_job, options)
            print(f"\nserver alone, nothing hashed or written: {alone:,.0f} MB/s")
            print(f"workers' memory at its most, over idle: {max(grown()):.0f} MB")
    finally:
        for one in (ours, *bare_loops.values()):
            if one:
                one.stop()
        bench.server.kill()
        bench.server.wait()


def main() -> None:
    """Measure once, and print a table; the other flags are for the processes it starts."""
    parser = argparse.ArgumentParser(description="Pictures saved a second.")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--at-once", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port)
    elif options.bare:
        bare(options.bare, options.port, options.at_once)
    else:
        with tempfile.TemporaryDirectory(prefix="downloads-") as folder:
            run(options, Path(folder))


if __name__ == "__main__":
    main()
