"""Real processes for tests, each stopped by its own id."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import requests

from imagequeue.producer.local.ports import free_port
from support.forked import Forked, find_program

WORKER = (
    *("celery", "-A", "imagequeue.worker", "worker", "-Q", "submit,poll,callback,download"),
    *("-P", "threads", "-c", "8", "--without-gossip", "--without-mingle"),
)

BIN = Path(sys.executable).parent
T = TypeVar("T")


def eventually(look: Callable[[], T], timeout_s: float = 30.0) -> T:
    """Return what `look` returns once it is true; the timeout only ends a hopeless run."""
    started = time.monotonic()
    while not (found := look()):
        waited_s = time.monotonic() - started
        assert waited_s < timeout_s, "it never came true"
        # A look costs more than the wait: the longer nothing has come true, the rarer they are.
        time.sleep(min(max(0.02, waited_s / 10), 0.2))
    return found


class Process:
    """A command under test, its output in a file or in another one that the test opened."""

    def __init__(
        self, command: list[str], env: Mapping[str, str], folder: Path, output: int | None = None
    ) -> None:
        self.log = folder / f"{Path(command[0]).name}-{free_port()}.log"
        environment = {**clean_environment(), **env}
        self.popen: subprocess.Popen[bytes] | Forked
        with self.log.open("wb") as log:
            printed = output or log.fileno()
            if program := find_program(command):
                self.popen = Forked(program, environment, folder, printed)
                return
            self.popen = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, timeout_s: float = 60.0) -> None:
        def has_printed() -> bool:
            assert self.popen.poll() is None or text in self.output, self.output
            return text in self.output

        eventually(has_printed, timeout_s)

    def send(self, number: int) -> None:
        os.killpg(self.popen.pid, number)

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.send(signal.SIGKILL)
        self.popen.wait()

    def stop(self, timeout_s: float = 60.0) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout_s)


def clean_environment() -> dict[str, str]:
    """Return this environment without any setting of the person who runs the tests."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("IMAGEQUEUE_", "FLOWER_"))}
    return {**clean, "PATH": f"{BIN}{os.pathsep}{clean.get('PATH', '')}", "PYTHONUNBUFFERED": "1"}


@contextmanager
def running(command: list[str], env: Mapping[str, str], folder: Path) -> Iterator[Process]:
    process = Process(command, env, folder)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def sandbox(folder: Path, *arguments: str) -> Iterator[str]:
    """Run a sandbox; yields its URL."""
    port = free_port()
    command = [sys.executable, "-m", "imagequeue.sandbox", "--port", str(port), *arguments]
    with running(command, {}, folder):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(f"{url}/healthz"))
        yield url


def up(
    folder: Path, output: int | None = None, *more_flags: str, **env: str
) -> tuple[Process, dict[str, str]]:
    """Start a system with a sandbox; return it and the URL of each server."""
    ports = {name: str(free_port()) for name in ("api", "callback", "flower", "sandbox")}
    flags = [text for name, port in ports.items() for text in (f"--{name}-port", port)]
    process = Process(
        [str(BIN / "imagequeue"), "up", "--sandbox", *flags, *more_flags], env, folder, output
    )
    return process, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def find_command(name: str) -> str:
    """Return the path of a command; without it, skip the test, or fail it in CI."""
    # Debian has servers in a folder that is not on every PATH. Wheels have some commands as well,
    # among them an old Redis without TLS: they come last.
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:{BIN}")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return path
