"""How many replicas have to confirm a write, so that no failover forgets it.

In a planned failover the former primary takes writes for seconds after one of its replicas has
become the new one, and the others still confirm them. So one replica is not enough: each that the
primary had lately has to confirm, and the one that has left never will.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

# A failover reaches the last replica, or the former primary, sooner.
FORGET_AFTER_S = 10.0
# A replica reports once a second.
MAX_LAG_S = 2


class Replicas:
    """What a process knows about the replicas of the primary; safe to share between threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = Lock()
        self._primary = ""
        self._count = 0
        self._fewer_since: float | None = None

    @property
    def count(self) -> int:
        """How many had to confirm the last write, at least 1: a wait for as many is enough."""
        return max(1, self._count)

    @property
    def record(self) -> str:
        """The primary and its number of replicas, for a process that knows neither."""
        return f"{self._primary} {self._count}"

    def require(self, replication: Mapping[str, Any], record: str) -> int:
        """Return how many replicas have to confirm a write.

        `replication` is what the server that took it says about itself, and `record` is the last
        one that another process has stored.
        """
        primary, connected = str(replication["master_replid"]), _count_connected(replication)
        with self._lock:
            if primary != self._primary:
                self._primary, self._fewer_since = primary, None
                known, _, count = record.partition(" ")
                self._count = max(connected, int(count)) if known == primary else connected
            required = self.count
            if connected >= self._count:
                self._count, self._fewer_since = connected, None
            elif self._fewer_since is None:
                self._fewer_since = self._now()
            elif self._now() - self._fewer_since >= FORGET_AFTER_S:
                self._count, self._fewer_since = connected, None
            return required


def _count_connected(replication: Mapping[str, Any]) -> int:
    """Count the replicas that are in step; a silent one stays connected for a minute."""
    found = [replication.get(f"slave{n}") for n in range(int(replication["connected_slaves"]))]
    return sum(
        isinstance(each, Mapping) and each["state"] == "online" and int(each["lag"]) <= MAX_LAG_S
        for each in found
    )
