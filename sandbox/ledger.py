"""The sandbox's books: what it was asked for, what it took, what it charged."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, TextIO

from .clock import iso
from .tasks import Task

PROVIDERS = ("kie-flux-kontext", "kie-midjourney", "acedata-flux")


@dataclass(slots=True)
class Counts:
    """The sums of one provider; `refused` is by code, as a string."""

    received: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    charged: int = 0
    lookups: int = 0
    callbacks_sent: int = 0
    callbacks_delivered: int = 0
    callbacks_failed: int = 0
    files_served: int = 0

    def add(self, other: Counts) -> None:
        """Add another provider's sums to these."""
        for name, value in other.as_json().items():
            setattr(self, name, getattr(self, name) + value)

    def as_json(self) -> dict[str, Any]:
        """Return the sums by name; dataclasses.asdict would mangle a Counter."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


class Ledger:
    """Counts by provider, and every accepted submission in order."""

    def __init__(self, log: TextIO | None) -> None:
        self._log = log
        self.reset()

    def reset(self) -> None:
        """Forget all counts and submissions; the log file keeps its lines."""
        self._counts = {provider: Counts() for provider in PROVIDERS}
        self._tasks: list[Task] = []

    def of(self, provider: str) -> Counts:
        """Return one provider's counts, to be added to."""
        return self._counts[provider]

    def accept(self, task: Task) -> None:
        """Enter an accepted submission and its charge, in the log as well."""
        counts = self.of(task.provider)
        counts.accepted += 1
        counts.charged += task.order.credits
        self._tasks.append(task)
        if self._log:
            # Flushed each time: the line must outlive a sandbox that is killed.
            print(json.dumps(_entry(task, task.created_at)), file=self._log, flush=True)

    def totals(self) -> dict[str, Any]:
        """Return all counts as JSON: in total, and by provider."""
        total = Counts()
        for counts in self._counts.values():
            total.add(counts)
        providers = {name: counts.as_json() for name, counts in self._counts.items()}
        return {"total": total.as_json(), "providers": providers}

    def submissions(self, now: float) -> list[dict[str, Any]]:
        """Return every accepted submission as JSON, in order."""
        return [_entry(task, now) for task in self._tasks]


def _entry(task: Task, now: float) -> dict[str, Any]:
    return {
        "at": iso(task.created_at),
        "provider": task.provider,
        "task_id": task.task_id,
        "prompt": task.order.prompt,
        "callback_url": task.order.callback_url,
        "charged": task.order.credits,
        "state": task.state(now),
    }
