"""Slots: how many threads of a worker run at once, however many it has.

Python runs one thread at a time. Where many are ready, each call into the system hands over to one
of the others, and to wake that costs more than the call does. So a step holds one of a few slots,
and lets go of it while it waits for somebody else: there may be as many threads as providers are
slow.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

# One that runs, and two that wait for Redis meanwhile.
SLOTS = 3

_free: SimpleQueue[None] = SimpleQueue()
for _ in range(SLOTS):
    _free.put(None)


class _Own(threading.local):
    holds_slot = False


_own = _Own()


@contextmanager
def running() -> Iterator[None]:
    """Hold a slot; waits for one that is free."""
    _free.get()
    _own.holds_slot = True
    try:
        yield
    finally:
        _own.holds_slot = False
        _free.put(None)


@contextmanager
def waiting() -> Iterator[None]:
    """Let go of this thread's slot, if it holds one, until the wait is over."""
    if not _own.holds_slot:
        yield
        return
    _own.holds_slot = False
    _free.put(None)
    try:
        yield
    finally:
        _free.get()
        _own.holds_slot = True
