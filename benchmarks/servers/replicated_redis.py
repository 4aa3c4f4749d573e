"""A Redis with a replica behind one address, as hosted services run it: a failover swaps them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from pathlib import Path

import redis

from benchmarks.system import wait_until
from imagequeue.producer.local.embedded_redis import find_server_binary
from imagequeue.producer.local.ports import LOOPBACK, free_port

PIECE = 65536


class SwitchingProxy(threading.Thread):
    """Leads one port to another one; `switch` chooses that and cuts every open connection."""

    def __init__(self, target: int) -> None:
        super().__init__(daemon=True)
        self.port = free_port()
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self.start()

    def run(self) -> None:
        """Serve until the process ends."""
        asyncio.set_event_loop(self._loop)
        listen = asyncio.start_server(self._serve, LOOPBACK, self.port)
        self._loop.run_until_complete(listen)
        self._loop.run_forever()

    def switch(self, target: int) -> None:
        """Lead new connections to `target`, and cut the others."""
        self._target = target
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            away_reader, away_writer = await asyncio.open_connection(LOOPBACK, self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, away_writer}
        self._open |= both
        await asyncio.gather(_pass_on(reader, away_writer), _pass_on(away_reader, writer))
        self._open -= both


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()


class ReplicatedRedis:
    """Stands in for an `EmbeddedRedis` whose crash is a failover to the replica."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [free_port(), free_port()]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.url = ""

    def start(self) -> str:
        """Start the servers if they do not run, and return the address of the primary."""
        if not self._processes:
            self._processes = [self._run(port) for port in self._ports]
            primary, replica = self._ports
            wait_until(lambda: self._has_answered(primary) and self._has_answered(replica))
            self._ask(replica, "REPLICAOF", LOOPBACK, primary)
            wait_until(lambda: self._is_in_step(replica))
            self._proxy = SwitchingProxy(primary)
            self.url = f"redis://{LOOPBACK}:{self._proxy.port}/0"
            wait_until(lambda: self._has_answered(self._proxy.port))
        return self.url

    def kill(self) -> None:
        """Promote the replica once it has every write, and cut all connections."""
        primary, replica = self._ports
        wait_until(lambda: self._is_in_step(replica))
        self._ask(primary, "FAILOVER")
        wait_until(lambda: self._ask(replica, "ROLE")[0] == b"master")
        self._proxy.switch(replica)
        self._ports.reverse()

    def stop(self) -> None:
        """Kill both servers."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _run(self, port: int) -> subprocess.Popen[bytes]:
        folder = self._folder / str(port)
        folder.mkdir(parents=True)
        return subprocess.Popen(
            [
                *(find_server_binary(), "--port", str(port), "--bind", LOOPBACK),
                *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"),
                *("--save", "", "--logfile", str(folder / "redis.log")),
                *("--repl-diskless-sync-delay", "0"),
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _ask(self, port: int, *command: str | int) -> list[bytes]:
        with redis.Redis(LOOPBACK, port, socket_timeout=10) as client:
            answer: list[bytes] = client.execute_command(*command)
            return answer

    def _has_answered(self, port: int) -> bool:
        try:
            return bool(self._ask(port, "PING"))
        except redis.RedisError:
            return False

    def _is_in_step(self, replica: int) -> bool:
        return self._ask(replica, "ROLE")[3] == b"connected"
