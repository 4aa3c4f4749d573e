"""Our programs, forked from a process that has imported them: imports take most of a start.

Signals, exit statuses, output and process groups are those of a process that was started anew.
`test_up.py`, the wheel's and the plug-in's tests and the benchmarks start theirs anew.
"""

from __future__ import annotations

import gc
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

FORKSERVER = get_context("forkserver")
FORKSERVER.set_forkserver_preload(
    [
        *("celery.bin.celery", "celery.concurrency.thread", "celery.worker.components"),
        *("imagequeue.worker.app", "imagequeue.worker.receiver.application"),
        *("imagequeue.producer.api.application", "uvicorn.main", "imagequeue.sandbox.server"),
    ]
)


class Program(NamedTuple):
    """A module that is run as a program."""

    module: str
    arguments: list[str]


def find_program(command: list[str]) -> Program | None:
    """Return what a command runs, or None if it has to be started anew."""
    folder, name = Path(command[0]).parent, Path(command[0]).name
    if folder not in (Path(), Path(sys.executable).parent):
        return None  # of another environment
    if name in ("celery", "uvicorn"):
        return Program(name, command[1:])
    if name.startswith("python") and command[1] == "-m":
        return Program(command[2], command[3:])
    return None


class Forked:
    """A program that runs; as far as it goes, like `subprocess.Popen`."""

    def __init__(self, program: Program, env: Mapping[str, str], folder: Path, output: int) -> None:
        """Start the program; what it prints goes to the descriptor `output`."""
        started, starting = FORKSERVER.Pipe(duplex=False)
        # A descriptor travels to the other process as a connection does.
        printed = Connection(os.dup(output))
        self._process = FORKSERVER.Process(
            target=_run, args=(program, dict(env), folder, printed, starting), daemon=True
        )
        self._process.start()
        printed.close()
        starting.close()
        self.pid = self._process.pid or 0
        started.recv()  # Before this it has no process group that could be killed.

    def poll(self) -> int | None:
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(
    program: Program,
    env: dict[str, str],
    folder: Path,
    output: Connection,
    starting: Connection,
) -> None:
    os.setsid()
    # It is ignored where the tests are a job in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(env)
    gc.freeze()
    starting.send(None)
    starting.close()
    sys.argv = [program.module, *program.arguments]
    runpy.run_module(program.module, run_name="__main__", alter_sys=True)
