"""The image server, and what one round against it takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.downloads.image_server import COUNT, write_images
from benchmarks.downloads.urllib3_loop import CHUNK_BYTES
from benchmarks.system import wait_until
from benchmarks.usage import cpu_s_of
from imagequeue.producer.local.ports import LOOPBACK, free_port

MB = 1_000_000
DRAIN_THREADS = 16


class Round(NamedTuple):
    """One round of one contender."""

    mb_per_s: float
    cpu_s_per_gb: float
    redis_s_per_gb: float
    server: float
    """The share of a core that the image server used."""


class Bench:
    """The image server, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._sizes = write_images(folder / "served")
        self.port = free_port()
        command = [
            *(sys.executable, "-m", "benchmarks.downloads.image_server"),
            *("--folder", str(folder / "served"), "--port", str(self.port)),
        ]
        self._server = subprocess.Popen(command)
        wait_until(self._is_up)

    def measure(
        self, pids: list[int], redis_pid: int, images: int, work: Callable[[], None]
    ) -> Round:
        """Measure `work`, which downloads `images` images."""
        # Dirty pages of the previous round must not slow down this one.
        os.sync()
        before = self._cpu_s(pids, redis_pid)
        started = time.perf_counter()
        work()
        took_s = time.perf_counter() - started
        now = self._cpu_s(pids, redis_pid)
        own_s, redis_s, server_s = (b - a for a, b in zip(before, now, strict=True))
        total = self.total_bytes(images)
        gb = total / MB / 1000
        return Round(total / MB / took_s, own_s / gb, redis_s / gb, server_s / took_s)

    def total_bytes(self, images: int) -> int:
        """Return the size of the first `images` images."""
        return sum(self._sizes[n % COUNT] for n in range(images))

    def measure_server(self, images: int) -> float:
        """Return the MB a second that this process reads from the server and drops."""

        def drain(first: int) -> None:
            buffer = bytearray(CHUNK_BYTES)
            with socket.create_connection((LOOPBACK, self.port)) as connection:
                for number in range(first, images, DRAIN_THREADS):
                    connection.sendall(b"GET /%d HTTP/1.1\r\n\r\n" % number)
                    received = connection.recv_into(buffer)
                    left = self._sizes[number % COUNT]
                    left -= received - (buffer.index(b"\r\n\r\n") + 4)
                    while left:
                        left -= connection.recv_into(buffer)

        started = time.perf_counter()
        threads = [threading.Thread(target=drain, args=(n,)) for n in range(DRAIN_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.total_bytes(images) / MB / (time.perf_counter() - started)

    def stop(self) -> None:
        """Kill the server."""
        self._server.kill()
        self._server.wait()

    def _is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    def _cpu_s(self, pids: list[int], redis_pid: int) -> list[float]:
        return [cpu_s_of(*pids), cpu_s_of(redis_pid), cpu_s_of(self._server.pid)]
