"""Faults by chance: each kind has its own rate; a seed makes the random numbers repeatable."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .faults import FaultError, Faults
from .words import LATE_S

RATES = {
    "answer_lost": "accepted and charged, then the connection closes without a response",
    "busy_429": "the submission is refused with 429",
    "busy_503": "the submission is refused with 503, kie's with 455",
    "callback_lost": "no callback is sent",
    "callback_doubled": "the callback is delivered twice",
    "callback_delayed": f"the callback starts {LATE_S:.0f} seconds after the end",
    "callback_early": "the task ends at once and calls back before the response to its submission",
    "file_cut": "a GET of a file is cut half way",
    "file_error": "a GET of a file answers 500",
    "fail": "the task is accepted and charged, then fails with 500",
}

_EFFECTS: dict[str, dict[str, Any]] = {
    "answer_lost": {"answer_lost": True},
    "callback_lost": {"callback_none": True},
    "callback_doubled": {"callback_twice": True},
    "callback_delayed": {"callback_late_s": LATE_S},
    "callback_early": {"callback_early": True},
    "fail": {"fail": 500},
}


class Rates:
    """The rate of each kind of fault, from 0 (never) to 1 (always)."""

    def __init__(self, rates: Mapping[str, float], seed: int) -> None:
        self.values = dict.fromkeys(RATES, 0.0)
        # Repeatable, not secret: the same seed and requests lead to the same faults.
        self._random = random.Random(seed)  # noqa: S311
        self.update(rates)

    def update(self, rates: Mapping[str, object]) -> None:
        """Set the named rates only; raises FaultError before any is set."""
        valid: dict[str, float] = {}
        for name, rate in rates.items():
            if name not in RATES:
                raise FaultError(f"unknown rate {name!r}; known: {', '.join(RATES)}")
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
                raise FaultError(f"{name} must be a number from 0 to 1")
            valid[name] = float(rate)
        self.values |= valid

    def should_occur(self, name: str) -> bool:
        """Return at random, by its rate, whether one kind of fault occurs."""
        return self._random.random() < self.values[name]

    def add_to(self, faults: Faults) -> Faults:
        """Return a task's faults with those by chance; the prompt's own are unchanged."""
        changes: dict[str, Any] = {}
        for kind, effect in _EFFECTS.items():
            if self.should_occur(kind):
                changes |= {
                    name: value for name, value in effect.items() if not getattr(faults, name)
                }
        return replace(faults, **changes)
