"""The whole system as separate processes that a benchmark may kill: no supervisor mends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests

from imagequeue.config.settings import PREFIX, Settings, read_settings
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import free_port
from imagequeue.providers import sandbox_settings

BIN = Path(sys.executable).parent
QUEUES = "submit,poll,callback,download,notify"


def until(look: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Return once `look` is true; raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came true")
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether a GET is answered with success."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


class System:
    """Redis, a sandbox, a receiver and workers in `folder`; each can be killed and started."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str],
        sandbox: tuple[str, ...] = (),
        workers: int = 2,
        threads: int = 8,
    ) -> None:
        self.folder = folder
        self.accepted = folder / "accepted.jsonl"
        self.sandbox_url = f"http://127.0.0.1:{free_port()}"
        self.receiver_url = f"http://127.0.0.1:{free_port()}"
        self.redis = EmbeddedRedis(Settings(data_dir=folder / "data"))
        self._overrides = {
            "data_dir": str(folder / "data"),
            "redis_url": self.redis.start(),
            "secret_key": "a secret of the benchmark",
            "public_url": self.receiver_url,
            **sandbox_settings(self.sandbox_url),
            "download_trusted_hosts": self.sandbox_url.removeprefix("http://"),
            **settings,
        }
        self.settings: Settings = read_settings(**self._overrides)
        port, receiver_port = (
            url.rpartition(":")[2] for url in (self.sandbox_url, self.receiver_url)
        )
        python = sys.executable
        self.commands = {
            "sandbox": [python, "-m", "imagequeue.sandbox", "--port", port, *sandbox],
            "receiver": [
                *(python, "-m", "imagequeue.worker.receiver", "--port", receiver_port),
            ],
        }
        self.commands["sandbox"] += ["--log", str(self.accepted)]
        for number in range(workers):
            self.commands[f"worker-{number}"] = [
                *(str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-Q", QUEUES),
                *("-P", "threads", "-c", str(threads), "-n", f"worker-{number}@%h"),
                *("--without-gossip", "--without-mingle"),
            ]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.revived = 0

    @property
    def workers(self) -> list[str]:
        """The names of the worker processes."""
        return [name for name in self.commands if name.startswith("worker")]

    def start(self, name: str) -> None:
        """Start a process, its output appended to a file of its name."""
        variables = {f"{PREFIX}{key.upper()}": value for key, value in self._overrides.items()}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                self.commands[name],
                env={**os.environ, **variables, "PYTHONUNBUFFERED": "1"},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_all(self) -> None:
        """Start everything, and return once the servers answer."""
        for name in self.commands:
            self.start(name)
        until(lambda: answers(f"{self.sandbox_url}/healthz"))
        until(lambda: answers(f"{self.receiver_url}/healthz"))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        self._running[name].send_signal(number)

    def pid(self, name: str) -> int:
        """A process's id."""
        return self._running[name].pid

    def runs(self, name: str) -> bool:
        """Whether a process was started here."""
        return name in self._running

    def kill(self, name: str) -> None:
        """End a process without a word to it."""
        self._running[name].kill()
        self._running[name].wait()

    def terminate(self, name: str) -> int:
        """Ask a process to end, and return its status once it has."""
        self._running[name].terminate()
        return self._running[name].wait(60)

    def revive(self) -> None:
        """Start again what ended of its own, as any process manager does."""
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                self.revived += 1
                self.start(name)

    def restart_redis(self) -> None:
        """Kill Redis and start it again from its append-only file."""
        self.redis.kill()
        self.redis.start()

    def stop(self) -> None:
        """End everything that was started here."""
        for name in self._running:
            self.kill(name)
        self.redis.stop()
