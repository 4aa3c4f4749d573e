"""Redis commands by name, as `MONITOR` shows them: what clients sent, and what ran in scripts."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from pathlib import Path

import redis

from imagequeue import jobs
from imagequeue.store.wakeups import next_after

END = "the benchmark's end"
# 1700000000.123456 [0 unix:/a/socket] "EVALSHA" "8a7f..." "3" ...
LINE = re.compile(r'\d+\.\d+ \[\d+ (\S+)\] "(\w+)"(?: "(\w+)")?')


class Monitor(threading.Thread):
    """Counts every command of a Redis from its start until `stop`."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._scripts = _scripts()
        self._begun = threading.Event()
        self.sent: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()
        """Those that scripts called."""

    def run(self) -> None:
        """Count until the end is said."""
        connection = self._client.connection_pool.get_connection()
        try:
            connection.send_command("MONITOR")
            connection.read_response()
            self._begun.set()
            while END not in (line := connection.read_response(timeout=60).decode()):
                self._count(line)
        finally:
            connection.disconnect()

    def start(self) -> None:
        """Return once it counts."""
        super().start()
        assert self._begun.wait(10)

    def stop(self) -> None:
        """Return once everything so far is counted."""
        self._client.echo(END)
        self.join()

    def _count(self, line: str) -> None:
        if not (found := LINE.match(line)):
            return
        client, name, first = found.groups()
        name = name.upper()
        if name == "EVALSHA":
            name = f"EVALSHA {self._scripts.get(first, first[:8])}"
        (self.inside if client == "lua" else self.sent)[name] += 1


def _scripts() -> dict[str, str]:
    """The names of our scripts by their digests."""
    files = Path(jobs.__file__).parent.glob("*.lua")
    sources = {file.stem: file.read_text() for file in files}
    sources |= {f"next, {name}": next_after(name) for name in ("take", "take_first")}
    return {hashlib.sha1(text.encode()).hexdigest(): name for name, text in sources.items()}


def table(monitor: Monitor, jobs_done: int, round_trips: float) -> str:
    """The commands of a job, the most frequent first."""
    lines = ["| command, a job | sent by clients | called by scripts |", "|---|---|---|"]
    names = sorted(
        monitor.sent.keys() | monitor.inside.keys(),
        key=lambda name: -monitor.sent[name] - monitor.inside[name],
    )
    for name in names:
        sent, inside = (count[name] / jobs_done for count in (monitor.sent, monitor.inside))
        if sent + inside >= 0.005:
            lines.append(f"| {name} | {_figure(sent)} | {_figure(inside)} |")
    sent, inside = (count.total() / jobs_done for count in (monitor.sent, monitor.inside))
    lines.append(f"| **all** | **{sent:.1f}** | **{inside:.1f}** |")
    lines.append(f"| round trips (a pipeline is one) | {round_trips:.1f} | |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:.2f}" if value else ""
