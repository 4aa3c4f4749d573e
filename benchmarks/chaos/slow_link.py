"""A link that can be slow: each frame waits, and some are lost.

Own code, because few kernels have netem, which does the same.
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import struct
import time
from collections import deque
from pathlib import Path
from threading import Thread

DELAY_S = 0.05
LOSS = 0.01
DEVICE = Path("/dev/net/tun")
# From linux/if_tun.h: `TUNSETIFF`, and `IFF_TAP | IFF_NO_PI`, so that reads are whole frames.
SET_DEVICE = 0x400454CA
FRAMES_ALONE = 0x1002
MAX_FRAME = 65536


class SlowLink:
    """Carries Ethernet frames between two devices of its own; whoever makes it moves them."""

    def __init__(self, name: str, peer: str) -> None:
        """Make the devices, which end with this process; raises OSError where that is forbidden."""
        self._ends = _open_device(name), _open_device(peer)
        self.is_slow = False
        Thread(target=self._carry, daemon=True).start()

    def _carry(self) -> None:
        waiting: deque[tuple[float, int, bytes]] = deque()
        while True:
            due_in_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            readable, _, _ = select.select(self._ends, (), (), due_in_s)
            for end in readable:
                other = self._ends[end == self._ends[0]]
                frame = os.read(end, MAX_FRAME)
                if not self.is_slow:
                    waiting.append((0.0, other, frame))
                elif random.random() >= LOSS:
                    waiting.append((time.monotonic() + DELAY_S, other, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, end, frame = waiting.popleft()
                _write(end, frame)


def _open_device(name: str) -> int:
    device = os.open(DEVICE, os.O_RDWR)
    fcntl.ioctl(device, SET_DEVICE, struct.pack("16sH22x", name.encode(), FRAMES_ALONE))
    return device


def _write(end: int, frame: bytes) -> None:
    try:
        os.write(end, frame)
    except OSError:
        # The device is down: its host is cut off.
        return
