"""Whether the provider charges for a job, derived from its history, which old records have too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from .history import RETRY, Change
from .state import State

REFUSED_CAUSE = "refused"
"""The cause of a failure before the provider accepted the task."""
REPORTED_CAUSES = ("callback", "poll")
"""The causes of a transition that the provider's report on a task made."""


class Charged(StrEnum):
    """Whether the provider charges for a job."""

    NO = "no"
    """Nothing was sent, everything was refused, or a failed task is free of charge."""
    YES = "yes"
    """The provider accepted a task."""
    UNKNOWN = "unknown"
    """A request had no answer, or the provider does not say whether a failed task is charged."""


class Submitted(StrEnum):
    """How one submission of a job ended, as far as its history says."""

    UNANSWERED = "unanswered"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    FAILED = "failed"


def list_submissions(changes: Iterable[Change]) -> list[Submitted]:
    """Return how each submission ended, oldest first; repeated refusals may count as one."""
    found: list[Submitted] = []
    state = State.QUEUED
    for change in changes:
        if change.to is state:
            continue  # a note
        state = change.to
        if state is State.SUBMITTING:
            found.append(Submitted.UNANSWERED)
        elif found and (ended := _read_change(change)):
            found[-1] = ended
    return found


def _read_change(change: Change) -> Submitted | None:
    match change.to:
        case State.WAITING | State.OVERDUE | State.DOWNLOADING:
            return Submitted.ACCEPTED
        case State.QUEUED if change.cause != RETRY:
            return Submitted.REFUSED
        case State.FAILED if change.cause == REFUSED_CAUSE:
            return Submitted.REFUSED
        case State.FAILED if change.cause in REPORTED_CAUSES:
            return Submitted.FAILED
        case _:
            return None


def find_charge(
    submissions: Sequence[Submitted], *, has_images: bool, charges_failed_tasks: bool | None
) -> Charged:
    """Return whether a job is charged; `charges_failed_tasks` is None if that is not documented."""
    if has_images or Submitted.ACCEPTED in submissions:
        return Charged.YES
    if Submitted.FAILED in submissions and charges_failed_tasks:
        return Charged.YES
    if Submitted.UNANSWERED in submissions:
        return Charged.UNKNOWN
    if Submitted.FAILED in submissions and charges_failed_tasks is None:
        return Charged.UNKNOWN
    return Charged.NO
