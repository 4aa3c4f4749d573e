"""A Redis on TCP, as a process in a folder, which can be killed and started with its data."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from benchmarks.system import LOCAL, Host, wait_until
from imagequeue.producer.local.embedded_redis import find_server_binary
from imagequeue.producer.local.ports import free_port

DATA = ("appendonly yes", "appendfsync always", 'save ""', "repl-diskless-sync-delay 0")


class RedisProcess:
    """A server with a configuration file, which it rewrites itself after a failover."""

    def __init__(
        self, folder: Path, host: Host = LOCAL, lines: tuple[str, ...] = DATA, *options: str
    ) -> None:
        folder.mkdir(parents=True)
        self.host, self.port = host, free_port()
        self.url = f"redis://{host.address}:{self.port}/0"
        self._options = options
        self._folder = folder
        self._config = folder / "redis.conf"
        address = (f"port {self.port}", f"bind {host.address}", "protected-mode no")
        files = (f"dir {folder}", f"logfile {folder / 'redis.log'}")
        self._config.write_text("\n".join((*address, *files, *lines, "")))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it unless it runs, and return its URL once it answers."""
        if self._process is None:
            self._process = subprocess.Popen(
                [*self.host.enter, find_server_binary(), str(self._config), *self._options],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        wait_until(self.answers)
        return self.url

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    stop = kill

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not killed."""
        return self._process is not None

    def ask(self, *command: str | int) -> Any:
        """Send a command, and return its answer; raises RedisError."""
        with redis.Redis(self.host.address, self.port, socket_timeout=10) as client:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]

    def answers(self) -> bool:
        """Whether it has loaded its data and takes commands."""
        with suppress(redis.RedisError):
            return bool(self.ask("PING"))
        return False

    def count_replicas(self) -> int | None:
        """Return how many replicas are in step with it; None unless it is a primary."""
        with suppress(redis.RedisError):
            kind, *details = self.ask("ROLE")
            if kind == b"master":
                return len(details[1])
        return None

    def is_in_step(self) -> bool:
        """Whether it is a replica, and connected to its primary."""
        with suppress(redis.RedisError):
            role = self.ask("ROLE")
            return bool(role[0] == b"slave" and role[3] == b"connected")
        return False
