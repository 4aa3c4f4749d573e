"""Redis commands by name, as `MONITOR` shows them: sent by clients, and called by scripts."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from pathlib import Path

import redis

from imagequeue import store

END = "end of the benchmark"
# 1700000000.123456 [0 unix:/a/socket] "EVALSHA" "8a7f..." "3" ...
LINE = re.compile(r'\d+\.\d+ \[\d+ (\S+)\] "(\w+)"(?: "(\w+)")?')


class Monitor(threading.Thread):
    """Counts every command of a Redis server, from `start` to `stop`."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._scripts = _script_names()
        self._started = threading.Event()
        self.sent: Counter[str] = Counter()
        """Commands sent by clients."""
        self.called: Counter[str] = Counter()
        """Commands called by scripts."""

    def run(self) -> None:
        """Count until the end marker arrives."""
        connection = self._client.connection_pool.get_connection()
        try:
            connection.send_command("MONITOR")
            connection.read_response()
            self._started.set()
            while END not in (line := connection.read_response(timeout=60).decode()):
                self._count(line)
        finally:
            connection.disconnect()

    def start(self) -> None:
        """Return once it counts."""
        super().start()
        assert self._started.wait(10)

    def stop(self) -> None:
        """Return once every command so far is counted."""
        self._client.echo(END)
        self.join()

    def _count(self, line: str) -> None:
        if not (found := LINE.match(line)):
            return
        client, name, first = found.groups()
        name = name.upper()
        if name == "EVALSHA":
            name = f"EVALSHA {self._scripts.get(first, first[:8])}"
        (self.called if client == "lua" else self.sent)[name] += 1


def _script_names() -> dict[str, str]:
    """Return the names of imagequeue's scripts by their digests."""
    files = (Path(store.__file__).parent / "lua").glob("*.lua")
    sources = {file.stem: file.read_text() for file in files}
    return {hashlib.sha1(text.encode()).hexdigest(): name for name, text in sources.items()}


def format_commands(monitor: Monitor, jobs: int, round_trips: float) -> str:
    """Return the commands of one job as a Markdown table, the most frequent first."""
    lines = ["| command, a job | sent by clients | called by scripts |", "|---|---|---|"]
    names = sorted(
        monitor.sent.keys() | monitor.called.keys(),
        key=lambda name: -monitor.sent[name] - monitor.called[name],
    )
    for name in names:
        sent, called = (count[name] / jobs for count in (monitor.sent, monitor.called))
        if sent + called >= 0.005:
            lines.append(f"| {name} | {_format(sent)} | {_format(called)} |")
    sent, called = (count.total() / jobs for count in (monitor.sent, monitor.called))
    lines.append(f"| **all** | **{sent:.1f}** | **{called:.1f}** |")
    lines.append(f"| round trips (a pipeline is one) | {round_trips:.1f} | |")
    return "\n".join(lines)


def _format(value: float) -> str:
    return f"{value:.2f}" if value else ""
