"""Slots: how many threads of a worker run at once, however many it has.

Python runs one thread at a time. Where many are ready, each call into the system hands over to one
of the others, and to wake that costs more than the call does. So a step holds one of a few slots,
and lets go of it while it waits for somebody else: there may be as many threads as providers are
slow.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

# One that runs, and two that wait for Redis meanwhile.
SLOTS = 3

_free: SimpleQueue[None] = SimpleQueue()
for _ in range(SLOTS):
    _free.put(None)


class _Own(threading.local):
    holds_slot = False


_own = _Own()


class _Running:
    def __enter__(self) -> None:
        _free.get()
        _own.holds_slot = True

    def __exit__(self, *_: object) -> None:
        _own.holds_slot = False
        _free.put(None)


class _Waiting:
    def __enter__(self) -> None:
        if _own.holds_slot:
            _free.put(None)

    def __exit__(self, *_: object) -> None:
        if _own.holds_slot:
            _free.get()


running = _Running()
"""`with running:` holds a slot; it waits for one that is free."""

waiting = _Waiting()
"""`with waiting:` lets go of this thread's slot, if it holds one, until the wait is over."""
