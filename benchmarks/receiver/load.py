"""HTTP load over a fixed number of keep-alive connections."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.receiver.posts import Post
from imagequeue.producer.local.ports import LOOPBACK

CONNECTIONS = 32
LOOK_EVERY_S = 0.005


class Connection(asyncio.Protocol):
    """A keep-alive connection that reports each 200; any other answer ends the benchmark."""

    def __init__(self, done: Callable[[Connection], None]) -> None:
        self._done = done
        self._received = bytearray()
        self._length = 0
        self.post: Post | None = None
        self.due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport: Any = transport

    def send(self, post: Post, due_s: float = 0.0) -> None:
        """Send a request that was due at `due_s`."""
        self.post, self.due_s = post, due_s
        self.transport.write(post.request)

    def data_received(self, data: bytes) -> None:
        """Count bytes: every answer of a server has the length of its first one."""
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
    """Sends requests, and returns once every one is answered."""

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

    async def run_closed(self, seconds: float) -> float:
        """Send the next request on each answer; returns the seconds it took."""
        connections = await self._connect(self._send_next)
        started = time.perf_counter()
        self._ends_s = started + seconds
        self._in_flight = len(connections)
        for connection in connections:
            connection.send(next(self._posts))
        await self._over.wait()
        took_s = time.perf_counter() - started
        self._close(connections)
        return took_s

    def _send_next(self, connection: Connection) -> None:
        self._accept(connection)
        post = next(self._posts, None) if time.perf_counter() < self._ends_s else None
        if post:
            connection.send(post)
            return
        self._in_flight -= 1
        if not self._in_flight:
            self._over.set()

    async def run_steady(self, rate: float) -> None:
        """Send at a steady rate; latencies count from the time at which each request was due."""
        connections = await self._connect(self._record_latency)
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

    def _record_latency(self, connection: Connection) -> None:
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
        pairs = [
            await loop.create_connection(lambda: Connection(done), LOOPBACK, self._port)
            for _ in range(CONNECTIONS)
        ]
        return [connection for _, connection in pairs]

    def _close(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            connection.transport.close()
