"""The receiver: its requests a second beside a bare one's, its latency, and the way to a picture.

    python -m benchmarks.receiver

The bare one is `bare` below: Starlette on uvicorn, with nothing but an LPUSH of the body. While the
two are compared, they have a core to themselves, and Redis shares the other with the load. For the
latency, the receiver shares its core with Redis and the load, and two workers keep the other busy:
beside them, whatever wakes up waits for a slice of their time, and that is what would be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import os
import re
import secrets
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import psutil
import redis
import redis.asyncio
import requests
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.system import BIN, System, answers, until
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import FINISHED, Job, State, new_job, utc_now
from imagequeue.jobs.tokens import callback_url
from imagequeue.producer.local.ports import LOOPBACK, free_port
from imagequeue.store import keys
from imagequeue.store.jobs import Store

SERVER_CORE, OTHER_CORE = 0, 1
PROVIDER = "kie-flux-kontext"
PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]
CONNECTIONS = 32
# Of one round, on as many URLs: more than any server here takes, and fewer for each job than a job
# may have unread.
REQUESTS_A_SECOND = 8000
URLS = 1000
TASK_ID = re.compile(rb'"taskId": "(\w+)"')
BARE_LIST = "bare"
WARM_UP_S = 1.0
RATE = 500
PAUSE_S = 0.05
LOOK_EVERY_S = 0.005


@functools.cache
def _bare_redis() -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(os.environ["IMAGEQUEUE_REDIS_URL"])


async def _bare_callback(request: Request) -> Response:
    await _bare_redis().lpush(BARE_LIST, await request.body())
    return Response()


bare = Starlette(routes=[Route("/callback", _bare_callback, methods=["POST"])])
"""The baseline: neither checks, nor bounds, nor wakes anybody."""


class Post(NamedTuple):
    """One callback as the bytes of its request."""

    task_id: str
    request: bytes


class Connection(asyncio.Protocol):
    """A keep-alive connection that is told of each 200; any other answer ends it."""

    def __init__(self, done: Callable[[Connection], None]) -> None:
        self._done = done
        self._received = bytearray()
        self._length = 0
        self.post: Post | None = None
        self.due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport: Any = transport

    def send(self, post: Post, due_s: float = 0.0) -> None:
        """Send a request that was due at `due_s`."""
        self.post, self.due_s = post, due_s
        self.transport.write(post.request)

    def data_received(self, data: bytes) -> None:
        """Count the bytes: all answers of a server are of one length, which the first one tells."""
        self._received += data
        if not self._length:
            head, end, _ = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            (length,) = re.findall(rb"content-length: (\d+)", head)
            self._length = len(head) + len(end) + int(length)
        if len(self._received) < self._length:
            return
        if not self._received.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"not accepted: {self._received.decode()}")
        self._received.clear()
        self._done(self)


class Load:
    """Requests over a fixed number of connections, all of which are answered before it returns."""

    def __init__(self, port: int, posts: Iterable[Post]) -> None:
        self._port = port
        self._posts = iter(posts)
        self._over = asyncio.Event()
        self._idle: deque[Connection] = deque()
        self._late: deque[tuple[Post, float]] = deque()
        self._ends_s = 0.0
        self._in_flight = 0
        self.accepted: set[str] = set()
        self.latencies_ms: list[float] = []

    async def closed(self, seconds: float) -> float:
        """Each connection sends its next request at the answer; returns the seconds it took."""
        connections = await self._connect(self._next)
        started = time.perf_counter()
        self._ends_s = started + seconds
        self._in_flight = len(connections)
        for connection in connections:
            connection.send(next(self._posts))
        await self._over.wait()
        took_s = time.perf_counter() - started
        self._close(connections)
        return took_s

    def _next(self, connection: Connection) -> None:
        self._accept(connection)
        post = next(self._posts, None) if time.perf_counter() < self._ends_s else None
        if post:
            connection.send(post)
            return
        self._in_flight -= 1
        if not self._in_flight:
            self._over.set()

    async def steady(self, rate: float) -> None:
        """Send at a steady rate, whatever the answers; latencies count from when each was due."""
        connections = await self._connect(self._answered)
        self._idle.extend(connections)
        started = time.perf_counter()
        for number, post in enumerate(self._posts):
            due_s = started + number / rate
            if (wait_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            self._late.append((post, due_s))
            self._send_late()
        while len(self._idle) < len(connections):
            await asyncio.sleep(LOOK_EVERY_S)
        self._close(connections)

    def _answered(self, connection: Connection) -> None:
        self.latencies_ms.append((time.perf_counter() - connection.due_s) * 1000)
        self._accept(connection)
        self._idle.append(connection)
        self._send_late()

    def _send_late(self) -> None:
        while self._late and self._idle:
            self._idle.popleft().send(*self._late.popleft())

    def _accept(self, connection: Connection) -> None:
        if connection.post:
            self.accepted.add(connection.post.task_id)

    async def _connect(self, done: Callable[[Connection], None]) -> list[Connection]:
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Connection(done), LOOPBACK, self._port)
            for _ in range(CONNECTIONS)
        ]
        return [connection for _, connection in made]

    def _close(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            connection.transport.close()


def post_to(path: str, task_id: str, image_url: str) -> Post:
    """A callback as kie sends it, in its newer form, of about a kilobyte."""
    param = {"model": "flux1-kontext", "input": {"prompt": PROMPT, "aspect_ratio": "16:9"}}
    data = {
        "taskId": task_id,
        "model": "flux1-kontext",
        "state": "success",
        "param": json.dumps(param),
        "resultJson": json.dumps({"resultUrls": [image_url]}),
        "failCode": "",
        "failMsg": "",
        "costTime": 15000,
        "completeTime": 1698765432000,
        "createTime": 1698765400000,
        "updateTime": 1698765432000,
        "consumeCredits": 5,
        "remainedCredits": 95,
    }
    text = {"code": 200, "msg": "Playground task completed successfully.", "data": data}
    body = json.dumps(text).encode()
    head = (
        f"POST {path} HTTP/1.1\r\n"
        "Host: callbacks.example\r\n"
        "User-Agent: okhttp/4.12.0\r\n"
        "Accept-Encoding: gzip\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        "X-Webhook-Timestamp: 1698765432\r\n"
        "X-Webhook-Signature: q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Post(task_id, head.encode() + body)


class Bench:
    """The system under test, its parts on their cores."""

    def __init__(self, folder: Path) -> None:
        image_port = free_port()
        self.image_url = f"http://{LOOPBACK}:{image_port}/picture.png"
        Image.new("RGB", (64, 36), "teal").save(folder / "picture.png")
        settings = {
            "log_level": "WARNING",
            "download_trusted_hosts": f"{LOOPBACK}:{image_port}",
        }
        self.system = system = System(folder, settings)
        self.receiver_port = int(system.receiver_url.rpartition(":")[2])
        self.bare_port = free_port()
        python = sys.executable
        system.commands |= {
            "receiver": [
                *(python, "-m", "imagequeue.worker.receiver", "--port", str(self.receiver_port)),
            ],
            "bare": [
                *(str(BIN / "uvicorn"), "benchmarks.receiver:bare"),
                *("--port", str(self.bare_port), "--no-access-log"),
                *("--http", "h11", "--loop", "asyncio"),
            ],
            "images": [
                *(python, "-m", "http.server", str(image_port)),
                *("--bind", LOOPBACK, "--directory", str(folder)),
            ],
        }
        self.settings: Settings = system.settings
        self.redis = redis.Redis.from_url(system.redis.url)
        self.store = Store(self.redis)
        self.redis_pid = int(self.redis.info("server")["process_id"])

    def start_servers(self) -> None:
        """Start both receivers on the core that is theirs."""
        with pinned(SERVER_CORE):
            self.system.start("receiver")
            self.system.start("bare")
        until(lambda: answers(f"{self.system.receiver_url}/healthz"))
        until(lambda: _listens(self.bare_port))

    def start_workers(self) -> None:
        """Start the workers and the image host."""
        for name in (*self.system.workers, "images"):
            self.system.start(name)
        until(lambda: answers(self.image_url))
        until(lambda: self.redis.exists("_kombu.binding.submit"))

    def path(self, job_id: str) -> str:
        """A job's own callback path."""
        return callback_url("", self.settings.signing_secrets, PROVIDER, job_id)

    def waiting(self, count: int) -> list[Post]:
        """Keep jobs that wait for their callbacks, and return these."""
        now = utc_now()
        jobs = [_waiting(now) for _ in range(count)]
        for start in range(0, count, URLS):
            self.store.add(jobs[start : start + URLS])
        self.jobs = {str(job.task_id): job.id for job in jobs}
        return [
            post_to(self.path(job_id), task_id, self.image_url)
            for task_id, job_id in self.jobs.items()
        ]

    def give_workers(self, *cores: int) -> None:
        """Let the workers and the image host run on these cores."""
        for name in (*self.system.workers, "images"):
            pin(self.system.pid(name), *cores)


def _waiting(now: Any) -> Job:
    job = new_job(
        now,
        provider=PROVIDER,
        action="generate",
        prompt=PROMPT,
        params={"aspect_ratio": "16:9"},
        delivery="callback",
    )
    sent = job.transition_to(State.SUBMITTING, "submit", now, now, attempts=1, api_version="jobs")
    poll_at = now + timedelta(hours=1)
    return sent.transition_to(
        State.WAITING, "accepted", now, poll_at, task_id=secrets.token_hex(16)
    )


def _listens(port: int) -> bool:
    try:
        requests.get(f"http://{LOOPBACK}:{port}/", timeout=2)
    except requests.RequestException:
        return False
    return True


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started inside stays on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(pid: int, *cores: int) -> None:
    """Let a process that runs already use these cores alone."""
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, cores)


def cpu_s(pid: int) -> float:
    """The processor time that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


# --- Requests a second, beside the bare one ------------------------------------------------------


class Round(NamedTuple):
    """One round of one server, with the share of a core that each process took."""

    rate: float
    lost: int
    server_cpu: float
    redis_cpu: float
    load_cpu: float


def stored_by_receiver(bench: Bench) -> Iterator[bytes]:
    """Every body that the receiver has kept, and they are gone."""
    names = list(bench.redis.scan_iter(keys.callbacks("*"), count=1000))
    for name in names:
        entries: Any = bench.redis.lrange(name, 0, -1)
        yield from entries
        bench.redis.delete(name)


def stored_by_bare(bench: Bench) -> Iterator[bytes]:
    """Every body that the bare one has kept, and they are gone."""
    entries: Any = bench.redis.lrange(BARE_LIST, 0, -1)
    yield from entries
    bench.redis.delete(BARE_LIST)


def one_round(bench: Bench, name: str, seconds: float) -> Round:
    """As many requests as one server takes, and whether each that was answered is stored."""
    port, stored = {
        "receiver": (bench.receiver_port, stored_by_receiver),
        "bare": (bench.bare_port, stored_by_bare),
    }[name]
    count = int(seconds * REQUESTS_A_SECOND)
    ids = [f"job_{number:026}" for number in range(URLS)]
    paths = [bench.path(job_id) if name == "receiver" else "/callback" for job_id in ids]
    posts = [post_to(paths[n % URLS], secrets.token_hex(16), bench.image_url) for n in range(count)]
    pids = (bench.system.pid(name), bench.redis_pid, os.getpid())
    before = [cpu_s(pid) for pid in pids]
    load = Load(port, posts)
    took_s = asyncio.run(load.closed(seconds))
    shares = [(cpu_s(pid) - was) / took_s for pid, was in zip(pids, before, strict=True)]
    kept = {m[1].decode() for entry in stored(bench) if (m := TASK_ID.search(entry))}
    return Round(len(load.accepted) / took_s, len(load.accepted - kept), *shares)


def compare(bench: Bench, rounds: int, seconds: float) -> None:
    """Both in turn, and a table."""
    ours, theirs = [], []
    for name in ("receiver", "bare"):
        one_round(bench, name, WARM_UP_S)
    for _ in range(rounds):
        ours.append(one_round(bench, "receiver", seconds))
        theirs.append(one_round(bench, "bare", seconds))
    print("| | requests/s, median | lowest to highest | 200s lost | core: server, Redis, load |")
    print("|---|---|---|---|---|")
    for name, runs in (("receiver", ours), ("bare Starlette", theirs)):
        rates = [each.rate for each in runs]
        shares = (
            f"{median(column):.0%}"
            for column in zip(*((e.server_cpu, e.redis_cpu, e.load_cpu) for e in runs), strict=True)
        )
        print(
            f"| {name} | {median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} "
            f"| {sum(each.lost for each in runs)} | {', '.join(shares)} |"
        )
    ratios = [our.rate / their.rate for our, their in zip(ours, theirs, strict=True)]
    print(
        f"| **ratio** | **{median(ratios):.2f}** | {min(ratios):.2f} to {max(ratios):.2f} | | |",
        flush=True,
    )


# --- Latency under a steady load, and what becomes of it -----------------------------------------


def under_load(bench: Bench, seconds: float) -> None:
    """A steady rate while workers settle what arrives, and a table."""
    posts = bench.waiting(int(seconds * RATE))
    load = Load(bench.receiver_port, posts)
    bench.give_workers(OTHER_CORE)
    for pid in (bench.redis_pid, os.getpid()):
        pin(pid, SERVER_CORE)
    # The pauses of the load's own garbage collector are none of the receiver's.
    gc.collect()
    gc.freeze()
    pids = (bench.system.pid("receiver"), bench.redis_pid, os.getpid())
    before = [cpu_s(pid) for pid in pids]
    asyncio.run(load.steady(RATE))
    shares = [(cpu_s(pid) - was) / seconds for pid, was in zip(pids, before, strict=True)]
    settled = _settled(bench)
    drained_s = drain(bench)
    ended = {job.id: job.state for job in bench.store.get_many(bench.jobs.values())}
    lost = sum(ended.get(bench.jobs[task]) is not State.SUCCEEDED for task in load.accepted)
    cuts = quantiles(load.latencies_ms, n=100, method="inclusive")
    print(f"\n| {RATE} callbacks a second, {seconds:g} s | |")
    print("|---|---|")
    print(
        f"| p50, p99, max, ms | {cuts[49]:.1f}, {cuts[98]:.1f}, {max(load.latencies_ms):.1f} |\n"
        f"| sent, answered 200 | {len(posts):,}, {len(load.accepted):,} |\n"
        f"| settled by then; succeeded {drained_s:.0f} s later "
        f"| {settled:,}; {len(load.accepted) - lost:,} |\n"
        f"| **lost** | {lost} |\n"
        f"| core: receiver, Redis, load | {', '.join(f'{share:.0%}' for share in shares)} |",
        flush=True,
    )


def _at_rest(bench: Bench) -> int:
    counts = bench.store.counts()
    return sum(counts[state] for state in FINISHED)


def _settled(bench: Bench) -> int:
    return _at_rest(bench) + bench.store.counts()[State.DOWNLOADING]


def drain(bench: Bench) -> float:
    """Wait until every job is at its end, the workers on both cores; returns the seconds."""
    bench.give_workers(SERVER_CORE, OTHER_CORE)
    started = time.monotonic()
    until(lambda: _at_rest(bench) >= len(bench.jobs), 600)
    return time.monotonic() - started


# --- From a callback to its picture --------------------------------------------------------------


def to_picture(bench: Bench, count: int) -> None:
    """One callback at a time to idle workers, and a table."""
    bench.give_workers(SERVER_CORE, OTHER_CORE)
    bare_get_ms = median(_get_ms(bench.image_url) for _ in range(count))
    waits_ms = []
    for post in bench.waiting(count):
        url = f"http://{LOOPBACK}:{bench.receiver_port}{bench.path(bench.jobs[post.task_id])}"
        body = post.request.partition(b"\r\n\r\n")[2]
        started_ms = time.time() * 1000
        requests.post(url, body, timeout=5).raise_for_status()
        job = _succeeded(bench, bench.jobs[post.task_id])
        waits_ms.append(job.updated_at.timestamp() * 1000 - started_ms - bare_get_ms)
        time.sleep(PAUSE_S)
    cuts = quantiles(waits_ms, n=100, method="inclusive")
    print("\n| callback to stored picture, idle workers | p50, ms | p99, ms | max, ms |")
    print("|---|---|---|---|")
    print(
        f"| {count}, less the picture's own {bare_get_ms:.1f} ms "
        f"| {cuts[49]:.0f} | {cuts[98]:.0f} | {max(waits_ms):.0f} |"
    )


def _get_ms(url: str) -> float:
    started = time.perf_counter()
    requests.get(url, timeout=5).raise_for_status()
    return (time.perf_counter() - started) * 1000


def _succeeded(bench: Bench, job_id: str) -> Job:
    deadline = time.monotonic() + 30
    while (job := bench.store.get(job_id)).state is not State.SUCCEEDED:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job_id} is {job.state}")
        time.sleep(LOOK_EVERY_S)
    return job


def main() -> None:
    """Measure all three, and print their tables."""
    parser = argparse.ArgumentParser(description="The callback receiver.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="see that it runs, in seconds")
    parser.add_argument("--only", choices=("compare", "load", "picture"))
    options = parser.parse_args()
    rounds, round_s, load_s, pictures = (
        (1, 1, 2, 10) if options.quick else (options.rounds, 3, 20, 100)
    )
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            bench.start_servers()
            if options.only in (None, "compare"):
                compare(bench, rounds, round_s)
            if options.only != "compare":
                bench.start_workers()
            if options.only in (None, "load"):
                under_load(bench, load_s)
            if options.only in (None, "picture"):
                to_picture(bench, pictures)
        finally:
            bench.system.stop()


if __name__ == "__main__":
    main()
