"""The states of a job, the transitions between them, and the reasons for a failure."""

from __future__ import annotations

from enum import StrEnum

from ..config.queues import Queue
from ..errors import InvalidRequestError, Problem
from ..suggest import describe_unknown


class State(StrEnum):
    """Where a job is; the text under each says what ends it."""

    QUEUED = "queued"
    """Accepted here, nothing sent. Ends with a submit worker, or cancel."""
    SUBMITTING = "submitting"
    """The intent to pay is stored, the request is sent. Ends with its response, or its lease."""
    UNCONFIRMED = "unconfirmed"
    """It may have been paid. Ends with its own callback, its deadline, or a user's retry."""
    WAITING = "waiting"
    """The provider has it. Ends with a callback or a poll."""
    OVERDUE = "overdue"
    """Past the last countdown, polled rarely. Ends with a callback, a poll, or the give-up time."""
    DOWNLOADING = "downloading"
    """The result URLs are known. Ends when every result image is stored or lost."""
    UNSAVED = "unsaved"
    """Made and paid for, but not saved. Ends with a user's retry, which is free, or acknowledge."""
    SUCCEEDED = "succeeded"
    """Final: every result image is complete and validated in storage."""
    FAILED = "failed"
    """Final, with a reason; a success that is reported later revives the job."""
    CANCELLED = "cancelled"
    """Final; what was sent before is still charged."""


class Reason(StrEnum):
    """Why a job failed."""

    POLICY = "policy"
    BAD_INPUT = "bad_input"
    AUTH = "auth"
    CREDIT = "credit"
    PROVIDER = "provider"
    TIMED_OUT = "timed_out"
    UNREADABLE = "unreadable"
    UNCONFIRMED = "unconfirmed"
    CANCELLED = "cancelled"
    UNSAVED = "unsaved"
    """A user has acknowledged that its images are not saved. A retry still downloads them."""


_S = State
TRANSITIONS: dict[State, frozenset[State]] = {
    _S.QUEUED: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.FAILED, _S.DOWNLOADING}),
    _S.SUBMITTING: frozenset(
        {_S.WAITING, _S.QUEUED, _S.FAILED, _S.UNCONFIRMED, _S.DOWNLOADING},
    ),
    _S.UNCONFIRMED: frozenset(
        {_S.WAITING, _S.QUEUED, _S.FAILED, _S.DOWNLOADING, _S.CANCELLED},
    ),
    _S.WAITING: frozenset({_S.DOWNLOADING, _S.FAILED, _S.OVERDUE, _S.CANCELLED}),
    _S.OVERDUE: frozenset({_S.DOWNLOADING, _S.FAILED, _S.CANCELLED}),
    _S.DOWNLOADING: frozenset({_S.SUCCEEDED, _S.UNSAVED}),
    _S.UNSAVED: frozenset({_S.DOWNLOADING, _S.FAILED}),
    _S.FAILED: frozenset({_S.DOWNLOADING, _S.QUEUED}),
    _S.SUCCEEDED: frozenset(),
    _S.CANCELLED: frozenset(),
}
# Reasons that imagequeue gave without a report of the provider: a success does not contradict them.
PROVISIONAL = frozenset({Reason.TIMED_OUT, Reason.UNREADABLE, Reason.UNCONFIRMED})

# The queue whose due set has the job's wake-up. A finished job waits for the end of its retention.
QUEUE_OF: dict[State, Queue | None] = {
    _S.QUEUED: Queue.SUBMIT,
    _S.SUBMITTING: Queue.SUBMIT,
    _S.UNCONFIRMED: Queue.POLL,
    _S.WAITING: Queue.POLL,
    _S.OVERDUE: Queue.POLL,
    _S.DOWNLOADING: Queue.DOWNLOAD,
    _S.UNSAVED: None,
    _S.SUCCEEDED: None,
    _S.FAILED: None,
    _S.CANCELLED: None,
}
IN_FLIGHT = frozenset({_S.SUBMITTING, _S.UNCONFIRMED, _S.WAITING, _S.OVERDUE})
"""The states in which the provider works on a job, or may do so."""
FINISHED = frozenset(state for state, queue in QUEUE_OF.items() if queue is None)


def parse_state(name: str) -> State:
    """Return the state called `name`; raises InvalidRequestError that lists all."""
    try:
        return State(name)
    except ValueError:
        problem = describe_unknown("state", name, State)
        raise InvalidRequestError([Problem("state", problem)]) from None
