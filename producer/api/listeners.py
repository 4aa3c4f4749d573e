"""The limit on requests that stay open: waits for a job, and event streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

from ...config.http.server import count_max_connections
from ...errors import LimitError
from .access import Caller

RETRY_AFTER_S = 5


class Listeners:
    """Counts open waits and streams: three quarters of all connections, half of all per caller."""

    def __init__(self) -> None:
        self._max_in_all = max(1, count_max_connections() * 3 // 4)
        self._max_per_caller = max(1, count_max_connections() // 2)
        self._open: Counter[str] = Counter()

    def count(self) -> int:
        """Return how many are open."""
        return self._open.total()

    @contextmanager
    def hold(self, caller: Caller) -> Iterator[None]:
        """Count one more while the block runs; raises LimitError, or HTTPException 503."""
        if self._open[caller.name] >= self._max_per_caller:
            raise LimitError(
                f"{caller.name} has {self._max_per_caller} waits and event streams open: end one",
                RETRY_AFTER_S,
            )
        if self.count() >= self._max_in_all:
            raise HTTPException(
                503,
                f"{self._max_in_all} waits and event streams are open: try again later",
                {"Retry-After": str(RETRY_AFTER_S)},
            )
        self._open[caller.name] += 1
        try:
            yield
        finally:
            self._open[caller.name] -= 1
