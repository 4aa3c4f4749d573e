"""The history of a job as a timeline: how long it stayed in each state."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ...jobs.job import Job, State
from ..position_text import format_seconds

SHORT_S = 10.0


class Step(NamedTuple):
    """One entry: when the job entered a state and why, or a note while it was there."""

    at: datetime
    state: State
    cause: str
    lasted: str = ""
    """How long the job stayed in the state; empty for a note, and for the present state."""


def build_timeline(job: Job) -> list[Step]:
    """Return the entries of a job's history, oldest first."""
    steps = [Step(job.created_at, State.QUEUED, "accepted")]
    steps += [Step(entry.at, entry.to, entry.cause) for entry in job.history]
    entered = 0
    for place, step in enumerate(steps):
        before = steps[entered]
        if step.state is not before.state:
            lasted_s = (step.at - before.at).total_seconds()
            steps[entered] = before._replace(lasted=format_duration(lasted_s))
            entered = place
    return steps


def format_duration(seconds: float) -> str:
    """Return a duration with its two largest units, a short one with tenths of a second."""
    seconds = max(seconds, 0.0)
    return f"{seconds:.1f} s" if seconds < SHORT_S else format_seconds(seconds)
