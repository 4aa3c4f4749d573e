"""Everything that one stack needs to run: a Redis server, a provider, its workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import redis
import requests

from benchmarks.peers.certificate import make_certificate
from benchmarks.peers.figures import Layout
from benchmarks.peers.provider import write_image
from benchmarks.peers.stacks import PROGRAMS, Size, Stack
from benchmarks.system import IMPORTS, wait_until
from benchmarks.usage import pinned, process_tree
from imagequeue.config.settings import Settings
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import LOOPBACK, free_port

FIRST_POLL_S = "0.01"


class Processes:
    """The processes of one run, their files in `folder`."""

    def __init__(
        self, stack: Stack, size: Size, folder: Path, layout: Layout, answer_s: float, *, tls: bool
    ) -> None:
        self.stack, self.size, self._folder, self._layout = stack, size, folder, layout
        self._settings = Settings(data_dir=folder / "data")
        self.images = Path(self._settings.images_url.removeprefix("file://"))
        self.images.mkdir(parents=True)
        self.image = write_image(folder / "image.png")
        self._server = EmbeddedRedis(self._settings)
        self._started: list[subprocess.Popen[bytes]] = []
        self._bin = stack.bin()
        self._certificate = make_certificate(folder) if tls else None
        self.provider_url = f"{'https' if tls else 'http'}://{LOOPBACK}:{free_port()}"
        self._answer_s = answer_s

    def start(self) -> None:
        """Start everything, and return once every worker takes work."""
        with pinned(self._layout.others):
            self._server.start()
            self.redis = redis.Redis.from_url(self._server.url)
            self.redis_process = psutil.Process(self.redis.info("server")["process_id"])
            self.provider = psutil.Process(self._start(self._provider_command(), **IMPORTS).pid)
        wait_until(self._provider_is_up)
        pids = []
        for nth, command in enumerate(self.stack.commands(self._bin, self.size)):
            cores = self._layout.workers
            with pinned(cores[nth % len(cores)] if cores else ()):
                pids.append(self._start(command).pid)
        wait_until(self._is_ready)
        self.workers = process_tree(pids)

    def submit(self, first: int, end: int) -> None:
        """Submit the jobs `first` to `end` in a process of its own."""
        command = [self._bin / "python", "submit.py", self.stack.program, str(first), str(end)]
        with pinned(self._layout.others):
            subprocess.run(command, env=self._environment(), cwd=PROGRAMS, check=True)

    def count(self) -> dict[str, int]:
        """Return what the provider has counted; raises RuntimeError if a process has ended."""
        for process in self._started:
            if (status := process.poll()) is not None:
                raise RuntimeError(f"a process of {self.stack.name} ended with status {status}")
        url, trusted = f"{self.provider_url}/count", str(self._certificate or "") or True
        counts: dict[str, int] = requests.get(url, timeout=5, verify=trusted).json()
        return counts

    def stop(self) -> None:
        """Kill everything, with all descendants: each process leads a session of its own."""
        for process in self._started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._server.stop()

    def _provider_is_up(self) -> bool:
        try:
            return bool(self.count())
        except requests.RequestException:
            return False

    def _is_ready(self) -> bool:
        logs = [path.read_text(errors="replace") for path in self._folder.glob("*.log")]
        return sum(log.count(self.stack.ready) for log in logs) >= self.size.processes

    def _provider_command(self) -> list[str]:
        port = self.provider_url.rpartition(":")[2]
        command = [
            *(sys.executable, "-m", "benchmarks.peers.provider", "--port", port),
            *("--answer-s", str(self._answer_s), "--image", str(self._folder / "image.png")),
        ]
        return [*command, "--tls", str(self._certificate)] if self._certificate else command

    def _start(self, command: list[str], **variables: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{len(self._started)}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=self._environment() | variables,
                cwd=PROGRAMS,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        """Return the variables of every program; each stack reads only its own."""
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PEER_REDIS": self._server.url,
            "PEER_PROVIDER": self.provider_url,
            "PEER_IMAGES": str(self.images),
            "PEER_AT_ONCE": str(self.size.at_once),
            "IMAGEQUEUE_REDIS_URL": self._server.url,
            "IMAGEQUEUE_DATA_DIR": str(self._folder / "data"),
            "IMAGEQUEUE_SECRET_KEY": "a secret of the benchmark",
            "IMAGEQUEUE_ACEDATA_BASE_URL": self.provider_url,
            "IMAGEQUEUE_ACEDATA_API_KEY": "key",
            "IMAGEQUEUE_ACEDATA_RATE_LIMIT": "off",
            "IMAGEQUEUE_ACEDATA_MAX_IN_FLIGHT": "off",
            "IMAGEQUEUE_ACEDATA_LOOKUPS_PER_S": "off",
            "IMAGEQUEUE_DOWNLOAD_TRUSTED_HOSTS": self.provider_url.rpartition("/")[2],
            "IMAGEQUEUE_POLL_COUNTDOWNS": FIRST_POLL_S,
            **self._trust(),
        }

    def _trust(self) -> dict[str, str]:
        if not self._certificate:
            return {}
        path = str(self._certificate)
        return {"PEER_CA_FILE": path, "IMAGEQUEUE_CA_FILE": path}
