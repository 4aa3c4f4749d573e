"""Run the processes of a Procfile on one machine: all of them, or none.

Hand-made, because the ready-made supervisors do something else: honcho stops every process when
one ends, supervisord and circus are daemons with a configuration file of their own.
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

from ...config.process import CANNOT_START, REFUSAL
from ...errors import ConfigError

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0
# A process that ran this long was healthy: its next pause is a short one again.
HEALTHY_AFTER_S = 60.0
LINES_OF_REASON = 3

WriteLine = Callable[[str, str], None]
"""Takes the name of a process and a line of its output."""


class Child:
    """One process, restarted when it dies."""

    def __init__(
        self, name: str, command: str, env: Mapping[str, str], write_line: WriteLine
    ) -> None:
        self.name = name
        self._command = command
        self._env = dict(env)
        self._write_line = write_line
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._last_lines: deque[str] = deque(maxlen=LINES_OF_REASON)
        self._started_at = 0.0
        self._restart_at = 0.0
        self._pause_s = FIRST_PAUSE_S

    def start(self) -> None:
        """Start the process in a session of its own: Ctrl-C reaches the supervisor alone."""
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
        self._reader = threading.Thread(
            target=self._read_output, args=(self._process,), daemon=True
        )
        self._reader.start()

    def _read_output(self, process: subprocess.Popen[str]) -> None:
        output: IO[str] | None = process.stdout
        for line in output or ():
            self._last_lines.append(line.strip())
            # Our own output may be broken; the process must not block on a full pipe.
            with suppress(Exception):
                self._write_line(self.name, line.rstrip())

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def restart_if_dead(self, *, ready: bool) -> None:
        """Restart the process after a pause if it died; raises ConfigError if it cannot start.

        `ready` says that the whole system was up once: before that, a death is final.
        """
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self._write_line("up", f"starting {self.name} again")
                self.start()
            return
        status = self._process.poll()
        if status is None:
            return
        ending = _describe_status(status)
        if not ready or status == CANNOT_START:
            raise ConfigError(f"{self.name} cannot start ({ending}): {self._get_reason()}")
        if time.monotonic() - self._started_at > HEALTHY_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        self._write_line("up", f"{self.name} ended ({ending}): again in {self._pause_s:g} s")
        self._restart_at = time.monotonic() + self._pause_s
        self._pause_s = min(MAX_PAUSE_S, self._pause_s * 2)
        self._close()
        self._process = None

    def send_signal(self, number: int) -> None:
        """Send a signal to the process and to everything that it started."""
        if self.pid is not None:
            os.killpg(self.pid, number)

    def wait(self, deadline: float) -> None:
        """Return when the process has ended; kill it at the deadline (monotonic seconds)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._write_line("up", f"{self.name} does not stop: killed")
            self.send_signal(signal.SIGKILL)
            self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.join(timeout=2)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _get_reason(self) -> str:
        if self._reader is not None:
            self._reader.join(timeout=2)
        # A refused start ends with this line; what libraries print around it only hides it.
        for line in reversed(self._last_lines):
            if line.startswith(REFUSAL):
                return line.removeprefix(REFUSAL)
        return " | ".join(self._last_lines) or "it printed nothing"


def _describe_status(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


class Supervisor:
    """Several processes that start and stop together."""

    def __init__(
        self,
        commands: Mapping[str, str],
        env: Mapping[str, str],
        write_line: WriteLine,
        grace_s: float,
    ) -> None:
        self._grace_s = grace_s
        self.children = [
            Child(name, command, env, write_line) for name, command in commands.items()
        ]

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run; each leads a process group."""
        return [child.pid for child in self.children if child.pid]

    def start(self) -> None:
        """Start every process."""
        for child in self.children:
            child.start()

    def restart_dead(self, *, ready: bool) -> None:
        """Restart the processes that died; raises ConfigError if one cannot start."""
        for child in self.children:
            child.restart_if_dead(ready=ready)

    def stop(self) -> None:
        """Ask every process to stop and return when all have; kill those that exceed the grace."""
        for child in self.children:
            child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        for child in self.children:
            child.wait(deadline)


def parse_procfile(text: str) -> dict[str, str]:
    """Return the commands of a Procfile by process name."""
    lines = (line.partition(":") for line in text.splitlines())
    return {
        name.strip(): command.strip()
        for name, colon, command in lines
        if colon and not name.lstrip().startswith("#")
    }
