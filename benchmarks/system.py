"""The whole system as separate processes that a benchmark may kill; nothing supervises them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import requests

from imagequeue.config.settings import PREFIX, Settings, read_settings
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import LOOPBACK, free_port
from imagequeue.providers import sandbox_settings

BIN = Path(sys.executable).parent
# Programs that run in another folder import `benchmarks` from here.
ROOT = Path(__file__).resolve().parents[1]
IMPORTS = {"PYTHONPATH": str(ROOT)}
QUEUES = "submit,poll,callback,download,notify"


def wait_until(
    is_true: Callable[[], object], timeout_s: float = 60.0, every_s: float = 0.02
) -> None:
    """Return once `is_true()` is; raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true after {timeout_s:g} s")
        time.sleep(every_s)


def exit_on_sigterm() -> None:
    """Make SIGTERM raise SystemExit, so that a benchmark stops what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def is_up(url: str) -> bool:
    """Return whether a GET of `url` succeeds."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def worker_command(name: str, queues: str, threads: int) -> list[str]:
    """Return the command of a Celery worker."""
    return [
        *(str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-Q", queues),
        *("-P", "threads", "-c", str(threads), "-n", f"{name}@%h"),
        *("--without-gossip", "--without-mingle"),
    ]


NO_LIMITS = {
    f"{account}_{limit}": "off"
    for account in ("kie", "acedata")
    for limit in ("rate_limit", "max_in_flight", "lookups_per_s")
}
"""The settings of accounts without limits, as the sandbox has them here."""


class Host(NamedTuple):
    """Where a process runs."""

    address: str = LOOPBACK
    enter: tuple[str, ...] = ()
    """The command that starts another one there."""


LOCAL = Host()


class RedisServer(Protocol):
    """A Redis that can be killed, and started again with its data."""

    url: str

    def start(self) -> str:
        """Start it and return its URL."""

    def stop(self) -> None:
        """Stop it for good."""

    def kill(self) -> None:
        """Kill it, as a crash would."""


class Broker(RedisServer, Protocol):
    """A broker beside the Redis of the jobs, which a process has started."""

    def launch(self) -> None:
        """Start it again without waiting until it answers."""

    def answers(self) -> bool:
        """Whether it takes connections."""


class System:
    """Redis, a sandbox, a receiver and workers in `folder`; each can be killed and started."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str],
        sandbox: tuple[str, ...] = (),
        workers: int = 2,
        threads: int = 8,
        queues: str = QUEUES,
        redis: RedisServer | None = None,
        broker: Broker | None = None,
        hosts: Mapping[str, Host] | None = None,
    ) -> None:
        """Start Redis; `hosts` are those of processes that do not run here."""
        self.folder = folder
        self._hosts = dict(hosts or {})
        self.log_files: dict[str, Path] = {}
        self.accepted = folder / "accepted.jsonl"
        sandbox_host, receiver_host = self.host("sandbox").address, self.host("receiver").address
        port, receiver_port = str(free_port()), str(free_port())
        self.sandbox_url = f"http://{sandbox_host}:{port}"
        self.receiver_url = f"http://{receiver_host}:{receiver_port}"
        self.redis = redis or EmbeddedRedis(Settings(data_dir=folder / "data"))
        self.broker = broker
        self._overrides = {
            "data_dir": str(folder / "data"),
            "redis_url": self.redis.start(),
            "secret_key": "a secret of the benchmark",
            "public_url": self.receiver_url,
            **sandbox_settings(self.sandbox_url),
            **NO_LIMITS,
            "download_trusted_hosts": self.sandbox_url.removeprefix("http://"),
            **({"broker_url": broker.url} if broker else {}),
            **settings,
        }
        self.settings: Settings = read_settings(**self._overrides)
        python = sys.executable
        self.commands = {
            "sandbox": [
                *(python, "-m", "imagequeue.sandbox", "--host", sandbox_host, "--port", port),
                *(*sandbox, "--log", str(self.accepted)),
            ],
            "receiver": [
                *(python, "-m", "imagequeue.worker.receiver"),
                *("--host", receiver_host, "--port", receiver_port),
            ],
        }
        for number in range(workers):
            name = f"worker-{number}"
            self.commands[name] = worker_command(name, queues, threads)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.revived = 0

    @property
    def workers(self) -> list[str]:
        """Return the names of the worker processes."""
        return [name for name in self.commands if name.startswith("worker")]

    def host(self, name: str) -> Host:
        """Return where a process runs."""
        return self._hosts.get(name, LOCAL)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that hold its settings."""
        return {f"{PREFIX}{key.upper()}": value for key, value in self._overrides.items()}

    def start(self, name: str) -> None:
        """Start a process; its output is appended to its log file, by default `{name}.log`."""
        self._running[name] = self.launch(
            [*self.host(name).enter, *self.commands[name]],
            {**os.environ, **IMPORTS, **self.environment, "PYTHONUNBUFFERED": "1"},
            self.log_files.get(name, self.folder / f"{name}.log"),
        )

    def launch(self, command: list[str], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command as the leader of a process group."""
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_all(self) -> None:
        """Start everything, and return once the servers answer."""
        for name in self.commands:
            self.start(name)
        wait_until(lambda: is_up(f"{self.sandbox_url}/healthz"))
        wait_until(lambda: is_up(f"{self.receiver_url}/healthz"))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        self._running[name].send_signal(number)

    def pid(self, name: str) -> int:
        """Return the id of a process."""
        return self._running[name].pid

    def has_started(self, name: str) -> bool:
        """Return whether a process was started here."""
        return name in self._running

    def kill(self, name: str) -> None:
        """Send SIGKILL to a process, and wait for its end."""
        self._running[name].kill()
        self._running[name].wait()

    def terminate(self, name: str) -> int:
        """Send SIGTERM to a process, and return its exit status."""
        self._running[name].terminate()
        return self._running[name].wait(60)

    def revive(self) -> None:
        """Restart processes that ended by themselves, as any process manager does."""
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                self.revived += 1
                self.start(name)

    def restart_redis(self) -> None:
        """Kill Redis and start it again with its data."""
        self.redis.kill()
        self.redis.start()

    def stop(self) -> None:
        """Kill everything that was started here."""
        for name, process in self._running.items():
            with suppress(ProcessLookupError):  # also what a killed worker had forked
                os.killpg(process.pid, signal.SIGKILL)
            self.kill(name)
        self.redis.stop()
        if self.broker:
            self.broker.stop()
