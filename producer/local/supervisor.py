"""Runs the processes of a Procfile on one machine: all of them, or none.

Supervisors from the shelf end everything when one process ends (honcho) or want a daemon with a
configuration of its own (supervisord, circus); what is left to do here is small.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO

from ...config.process import CANNOT_START
from ...errors import ConfigError

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0
# A process that ran this long was healthy: its next pause is a short one again.
HEALTHY_AFTER_S = 60.0
LINES_OF_REASON = 3

Tell = Callable[[str, str], None]


class Child:
    """One process, started again when it dies."""

    def __init__(self, name: str, command: str, env: Mapping[str, str], tell: Tell) -> None:
        self.name = name
        self._command = command
        self._env = dict(env)
        self._tell = tell
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._last_lines: deque[str] = deque(maxlen=LINES_OF_REASON)
        self._started_at = 0.0
        self._start_again_at = 0.0
        self._pause_s = FIRST_PAUSE_S

    def start(self) -> None:
        """Start the process in a session of its own: Ctrl-C is for the supervisor alone."""
        self._process = subprocess.Popen(  # noqa: S603  the Procfile's own line
            ["/bin/sh", "-c", f"exec {self._command}"],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        output: IO[str] | None = process.stdout
        for line in output or ():
            self._last_lines.append(line.strip())
            # Whoever listened may be gone; the process must not block on a pipe nobody reads.
            with suppress(OSError, ValueError):
                self._tell(self.name, line.rstrip())

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def tend(self, *, ready: bool) -> None:
        """Start the process again if it died; raises ConfigError if it cannot start at all."""
        if self._process is None:
            if time.monotonic() >= self._start_again_at:
                self._tell("up", f"starting {self.name} again")
                self.start()
            return
        status = self._process.poll()
        if status is None:
            return
        if not ready or status == CANNOT_START:
            raise ConfigError(f"{self.name} cannot start ({self._ended(status)}): {self._reason()}")
        if time.monotonic() - self._started_at > HEALTHY_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        self._tell("up", f"{self.name} ended ({self._ended(status)}): again in {self._pause_s:g} s")
        self._start_again_at = time.monotonic() + self._pause_s
        self._pause_s = min(MAX_PAUSE_S, self._pause_s * 2)
        self._close()
        self._process = None

    def signal(self, number: int) -> None:
        """Send a signal to the process and all it started."""
        if self.pid is not None:
            os.killpg(self.pid, number)

    def wait(self, deadline: float) -> None:
        """Return when the process has ended; past the deadline it is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._tell("up", f"{self.name} does not stop: killed")
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.join(timeout=2)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _reason(self) -> str:
        if self._reader is not None:
            self._reader.join(timeout=2)
        return " | ".join(self._last_lines) or "it said nothing"

    @staticmethod
    def _ended(status: int) -> str:
        return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


class Supervisor:
    """Several processes that live and stop together."""

    def __init__(
        self, commands: Mapping[str, str], env: Mapping[str, str], tell: Tell, grace_s: float
    ) -> None:
        self._grace_s = grace_s
        self.children = [Child(name, command, env, tell) for name, command in commands.items()]

    def start(self) -> None:
        """Start them all."""
        for child in self.children:
            child.start()

    def tend(self, *, ready: bool) -> None:
        """Look after each once; raises ConfigError if one cannot start."""
        for child in self.children:
            child.tend(ready=ready)

    def stop(self) -> None:
        """Let each finish what it is doing, within a grace, and return when all are gone."""
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        for child in self.children:
            child.wait(deadline)


def read_procfile(text: str) -> dict[str, str]:
    """The commands of a Procfile by their names."""
    lines = (line.partition(":") for line in text.splitlines())
    return {
        name.strip(): command.strip()
        for name, colon, command in lines
        if colon and not name.lstrip().startswith("#")
    }
