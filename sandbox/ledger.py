"""The sandbox's ledger: what it received, accepted and charged."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, TextIO

from .clock import format_iso
from .tasks import Task

PROVIDERS = (
    "kie",
    "kie-flux-kontext",
    "kie-midjourney",
    "acedata-flux",
    "acedata",
    "openai-images",
)


@dataclass(slots=True)
class Counts:
    """The counts of one provider; `refused` is by code, as a string."""

    received: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    charged: float = 0
    lookups: int = 0
    callbacks_sent: int = 0
    callbacks_delivered: int = 0
    callbacks_failed: int = 0
    files_served: int = 0

    def add(self, other: Counts) -> None:
        """Add another provider's counts to these."""
        for name, value in other.to_json().items():
            setattr(self, name, getattr(self, name) + value)

    def to_json(self) -> dict[str, Any]:
        """Return the counts by name; dataclasses.asdict cannot copy a Counter."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


class Ledger:
    """Counts by provider, and every accepted submission in order."""

    def __init__(self, log: TextIO | None) -> None:
        self._log = log
        self.reset()

    def reset(self) -> None:
        """Remove all counts and submissions; the log file is unchanged."""
        self._counts = {provider: Counts() for provider in PROVIDERS}
        self._tasks: list[Task] = []

    def counts_of(self, provider: str) -> Counts:
        """Return one provider's counts, which the caller increments."""
        return self._counts[provider]

    def add(self, task: Task) -> None:
        """Add an accepted submission and its charge, also to the log."""
        counts = self.counts_of(task.provider)
        counts.accepted += 1
        counts.charged += task.charged
        self._tasks.append(task)
        if self._log:
            # Flushed each time: the line must outlive a sandbox that is killed.
            print(json.dumps(_to_entry(task, task.created_at)), file=self._log, flush=True)

    def totals(self) -> dict[str, Any]:
        """Return all counts as JSON: in total, and by provider."""
        total = Counts()
        for counts in self._counts.values():
            total.add(counts)
        providers = {name: counts.to_json() for name, counts in self._counts.items()}
        return {"total": total.to_json(), "providers": providers}

    def submissions(self, now: float) -> list[dict[str, Any]]:
        """Return every accepted submission as JSON, in order."""
        return [_to_entry(task, now) for task in self._tasks]


def _to_entry(task: Task, now: float) -> dict[str, Any]:
    return {
        "at": format_iso(task.created_at),
        "provider": task.provider,
        "task_id": task.task_id,
        "prompt": task.order.prompt,
        "callback_url": task.order.callback_url,
        "charged": task.charged,
        "state": task.state(now),
    }
