"""The history of a job: every change of state, and notes about reports that changed nothing."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from .state import State

RETRY = "retry"
"""The cause of a transition that a user asked for."""
# A provider that keeps reporting must not fill Redis: beyond this, no notes are added.
MAX_NOTES = 100
_TIMES = ", times "


class Change(NamedTuple):
    """One stored entry: when the job entered `to`, and why."""

    at: datetime
    to: State
    cause: str


class Entry(BaseModel):
    """One entry as users see it."""

    model_config = ConfigDict(populate_by_name=True)

    at: datetime
    from_: State = Field(alias="from")
    to: State
    cause: str


def to_entries(changes: tuple[Change, ...]) -> list[Entry]:
    """Return the history as users see it, oldest entry first."""
    previous = (State.QUEUED, *(change.to for change in changes))
    return [
        Entry(at=change.at, from_=state, to=change.to, cause=change.cause)
        for state, change in zip(previous, changes, strict=False)
    ]


def fold_repeats(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Merge the last two pairs of changes if they are equal, and count the repetitions.

    Otherwise a job that is rate limited again and again would outgrow its record.
    """
    if len(changes) < 4:
        return changes
    *older, a, b, c, d = changes
    cause, _, times = b.cause.partition(_TIMES)
    if (a.to, a.cause, b.to, cause) != (c.to, c.cause, d.to, d.cause):
        return changes
    return (*older, c, Change(d.at, d.to, f"{cause}{_TIMES}{int(times or 1) + 1}"))
