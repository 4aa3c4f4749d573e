"""The sandbox's own time, which may run faster than the world's."""

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
        """Wait until the sandbox time reaches `moment`."""
        while (left := moment - self.now()) > 0:
            await self.sleep(left)


def iso(moment: float) -> str:
    """Write a moment as kie does: UTC, whole seconds, `Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
