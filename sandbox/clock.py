"""The sandbox's own time, which may run faster than real time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Starts at the real time and runs `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._started_at = time.time()
        self._zero = time.monotonic()

    def now(self) -> float:
        """Return the sandbox time in Unix seconds."""
        return self._started_at + (time.monotonic() - self._zero) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for that many sandbox seconds."""
        await asyncio.sleep(seconds / self.speed)

    async def sleep_until(self, moment: float) -> None:
        """Wait until the sandbox time is `moment`."""
        while (left := moment - self.now()) > 0:
            await self.sleep(left)


def format_iso(moment: float) -> str:
    """Return a time as kie writes it: UTC, whole seconds, `Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
