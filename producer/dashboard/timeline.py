"""The history of a job as a timeline: how long it stayed in each state."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ...jobs.job import Job, State
from ..position_text import format_seconds

SHORT_S = 10.0
# A state that lasted for a moment is still visible.
MIN_WIDTH = 0.5


class Bar(NamedTuple):
    """Where a bar begins, and how wide it is, in percent of the whole time."""

    start: float
    width: float


class Step(NamedTuple):
    """One entry: when the job entered a state and why, or a note while it was there."""

    at: datetime
    state: State
    cause: str
    lasted: str = ""
    """How long the job stayed in the state; empty for a note, and for the present state."""
    bar: Bar | None = None
    """The time in the state, up to now in the present one; None for a note and for the end."""


def build_timeline(job: Job, now: datetime) -> list[Step]:
    """Return the entries of a job's history, oldest first."""
    steps = [Step(job.created_at, State.QUEUED, "accepted")]
    steps += [Step(entry.at, entry.to, entry.cause) for entry in job.history]
    entered = [
        place
        for place, step in enumerate(steps)
        if not place or step.state is not steps[place - 1].state
    ]
    end = steps[entered[-1]].at if job.is_finished else max(now, steps[-1].at)
    whole_s = (end - job.created_at).total_seconds()
    for place, following in zip(entered, [*entered[1:], None], strict=True):
        step = steps[place]
        if following is None and job.is_finished:
            break
        left = end if following is None else steps[following].at
        lasted_s = (left - step.at).total_seconds()
        bar = _build_bar((step.at - job.created_at).total_seconds(), lasted_s, whole_s)
        lasted = "" if following is None else format_duration(lasted_s)
        steps[place] = step._replace(lasted=lasted, bar=bar)
    return steps


def _build_bar(start_s: float, lasted_s: float, whole_s: float) -> Bar:
    width = max(100 * lasted_s / whole_s if whole_s > 0 else 0.0, MIN_WIDTH)
    start = 100 * start_s / whole_s if whole_s > 0 else 0.0
    return Bar(round(max(0.0, min(start, 100 - width)), 2), round(min(width, 100.0), 2))


def format_duration(seconds: float) -> str:
    """Return a duration with its two largest units, a short one with tenths of a second."""
    seconds = max(seconds, 0.0)
    return f"{seconds:.1f} s" if seconds < SHORT_S else format_seconds(seconds)
