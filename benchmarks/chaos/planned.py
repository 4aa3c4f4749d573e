"""Faults that happen once in a run, one after another, while others happen at random."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

MAX_PAUSE_S = 3.0


class PlannedFault(NamedTuple):
    """A fault as a context: it begins on entry, and ends on exit."""

    name: str
    cause: Callable[[], AbstractContextManager[None]]
    lasts_s: float


class PlannedFaults(threading.Thread):
    """Causes faults in an order that the seed gives, all or the first `count`."""

    def __init__(self, faults: Sequence[PlannedFault], seed: int, count: int | None) -> None:
        super().__init__(daemon=True)
        self._random = random.Random(seed)
        self._faults = self._random.sample(faults, len(faults))[:count]
        self._over = threading.Event()
        self.struck: Counter[str] = Counter()
        self.error: BaseException | None = None

    @property
    def lasts_s(self) -> float:
        """About how long all of them take."""
        return sum(each.lasts_s + MAX_PAUSE_S for each in self._faults)

    def finish(self) -> None:
        """Return once each has happened; raises the error that a fault itself ran into."""
        if self.is_alive():
            self.join()
        if self.error:
            raise self.error

    def stop(self) -> None:
        """End the fault of the moment, and cause no other."""
        self._over.set()
        self.finish()

    def run(self) -> None:
        """Cause one fault after another, with pauses."""
        try:
            for fault in self._faults:
                if self._over.wait(self._random.uniform(0, MAX_PAUSE_S)):
                    return
                with fault.cause():
                    self.struck[fault.name] += 1
                    self._over.wait(fault.lasts_s)
        except BaseException as error:
            self.error = error
