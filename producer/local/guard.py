"""A small shell process that stops everything if `imagequeue up` itself is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from contextlib import suppress

# Its input ends when the owner does, however that ended; the last line says what runs.
SCRIPT = r"""
exec 2>/dev/null
while read -r first rest; do server=$first children=$rest; done
# With -s: dash takes a process group in no other form.
signal() { for pid in $children; do kill -s "$1" -- "-$pid"; done; }
is_alive() { kill -0 "$1" && ! grep -q '^State:.*Z' "/proc/$1/status"; }
signal TERM
for pid in $children; do
  while [ "$grace" -gt 0 ] && is_alive "$pid"; do sleep 0.2; grace=$((grace - 1)); done
done
signal KILL
kill -s TERM "$server"
"""
TICKS_PER_S = 5
NO_SERVER = "none"


class Guard:
    """Outlives its owner: stops the children as SIGTERM does, and the server after the last one."""

    def __init__(self, grace_s: float) -> None:
        self._script = f"grace={round(grace_s * TICKS_PER_S)}{SCRIPT}"
        self._process: subprocess.Popen[str] | None = None
        self._line = ""

    def watch(self, server: int | None, children: Iterable[int]) -> None:
        """Remember which server and which leaders of process groups run now."""
        line = " ".join(map(str, (server or NO_SERVER, *children)))
        is_running = self._process is not None and self._process.poll() is None
        if is_running and line == self._line:
            return
        if self._process is None or not is_running:
            self._process = self._start()
        self._line = line
        # A guard that was killed just now is replaced with the next call.
        with suppress(OSError):
            print(line, file=self._process.stdin, flush=True)

    def stop(self) -> None:
        """End the guard, because the owner has stopped everything itself."""
        if self._process is not None:
            self._process.kill()
            with suppress(OSError):
                self._process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603  our own script
            ["/bin/sh", "-c", self._script, "imagequeue-guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            # What ends the owner's session or process group must not end the guard.
            start_new_session=True,
        )
