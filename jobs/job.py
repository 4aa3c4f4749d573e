"""A job as a value, and the one table of the moves it may make."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, computed_field
from ulid import ULID

from ..config.queues import Queue
from ..errors import InvalidTransitionError


class State(StrEnum):
    """Where a job is; the comment under each says who moves it on."""

    QUEUED = "queued"
    """Accepted here, nothing sent: a submit worker, or cancel."""
    SUBMITTING = "submitting"
    """The intent to pay is recorded, the request is out: its answer, or its lease running out."""
    UNCONFIRMED = "unconfirmed"
    """It may have been paid: its own callback, its deadline, or a person's retry."""
    WAITING = "waiting"
    """The provider has it: callback or poll."""
    OVERDUE = "overdue"
    """Past the last countdown, polled on a slow tail: callback, poll, or the give-up time."""
    DOWNLOADING = "downloading"
    """Result URLs are known: every result image stored."""
    UNSAVED = "unsaved"
    """Made and paid for, saving failed for good: `retry`, which pays nothing."""
    SUCCEEDED = "succeeded"
    """Final: every result image is verified bytes in storage."""
    FAILED = "failed"
    """Final, with a reason, unless a success arrives after all: pictures win."""
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
    UNCONFIRMED = "unconfirmed"
    CANCELLED = "cancelled"


_S = State
TRANSITIONS: dict[State, frozenset[State]] = {
    _S.QUEUED: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.FAILED}),
    _S.SUBMITTING: frozenset(
        {_S.WAITING, _S.QUEUED, _S.FAILED, _S.UNCONFIRMED, _S.DOWNLOADING},
    ),
    _S.UNCONFIRMED: frozenset(
        {_S.WAITING, _S.QUEUED, _S.FAILED, _S.DOWNLOADING, _S.CANCELLED},
    ),
    _S.WAITING: frozenset({_S.DOWNLOADING, _S.FAILED, _S.OVERDUE, _S.CANCELLED}),
    _S.OVERDUE: frozenset({_S.DOWNLOADING, _S.FAILED, _S.CANCELLED}),
    _S.DOWNLOADING: frozenset({_S.SUCCEEDED, _S.UNSAVED}),
    _S.UNSAVED: frozenset({_S.DOWNLOADING}),
    _S.FAILED: frozenset({_S.DOWNLOADING, _S.QUEUED}),
    _S.SUCCEEDED: frozenset(),
    _S.CANCELLED: frozenset(),
}
# Reasons of our own, given in the place of an answer: a success contradicts none of them.
PROVISIONAL = frozenset({Reason.TIMED_OUT, Reason.UNCONFIRMED})

# Which queue's due set holds a job's wake-up. A job that rests here waits for its retention.
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
FINISHED = frozenset(state for state, queue in QUEUE_OF.items() if queue is None)


RETRY = "retry"
"""The cause of a move that a person asked for."""
TIMES = ", times "
# Beyond this a history takes no more notes: a provider that keeps talking must not fill Redis.
MAX_NOTES = 100


class Change(NamedTuple):
    """One entry of a job's history: when it entered `to`, and what caused it."""

    at: datetime
    to: State
    cause: str


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobError(_Value):
    """Why a job failed, or could not be saved, with the provider's own code and words."""

    reason: Reason | None = Field(None, description="None where saving the pictures failed.")
    code: str = Field("", description="The provider's own code.")
    message: str = Field("", description="The provider's own words.")


class Image(_Value):
    """One picture or video of a job: where it was made and where it is kept."""

    index: int
    kind: Literal["result", "origin"] = "result"
    source_url: str = Field(description="The provider's URL; it dies at `expires_at`.")
    expires_at: datetime
    state: Literal["pending", "stored", "expired"] = "pending"
    attempts: int = Field(0, exclude=True)
    saved_at: datetime | None = Field(None, exclude=True)
    refreshed_url: str | None = Field(
        None, exclude=True, validation_alias=AliasChoices("refreshed_url", "renewed_url")
    )
    """Where it lies now, if its provider had to be asked for a fresh URL."""
    error: str | None = Field(None, description="Why the last try to save it failed.")
    uri: str | None = Field(None, description="Where the bytes are kept.")
    sha256: str | None = None
    bytes: int | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None


class Entry(BaseModel):
    """A history entry as it is shown."""

    model_config = ConfigDict(populate_by_name=True)

    at: datetime
    from_: State = Field(alias="from")
    to: State
    cause: str


def _random() -> str:
    return os.urandom(6).hex()


class Job(_Value):
    """A request for pictures and what became of it; every change makes a new value."""

    id: str
    state: State = State.QUEUED
    provider: str
    action: str
    prompt: str = ""
    image_urls: tuple[str, ...] = ()
    params: dict[str, Any] = Field(default_factory=dict)
    delivery: Literal["callback", "poll"]
    task_id: str | None = Field(None, description="The provider's id of the task.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Yours; never sent on.")
    submitted_by: str = Field("", description="The name of the API key, or of the program.")
    batch: str | None = Field(None, description="The batch that the job came in with.")
    webhook_url: str | None = Field(None, description="Where the job's end is told to.")
    error: JobError | None = None
    images: tuple[Image, ...] = ()
    created_at: datetime

    revision: str = Field(default_factory=_random, exclude=True)
    """Random, so that a writer whose answer was lost knows its own write again."""
    wake_at: datetime = Field(exclude=True)
    """The wake-up that the last move set; for a resting job, the end of its retention."""
    api_version: str = Field(
        "", exclude=True, validation_alias=AliasChoices("api_version", "dialect")
    )
    """The form of the provider's API that the task was sent in."""
    attempts: int = Field(0, exclude=True)
    """Submissions sent, those that met a rate limit left out."""
    submissions: int = Field(0, exclude=True)
    """Every submission there was: tells the answer to one from the answer to the next."""
    former_tasks: tuple[str, ...] = Field((), exclude=True)
    """Task ids of submissions before a retry; what is reported of them is no news."""
    changes: tuple[Change, ...] = Field((), exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def updated_at(self) -> datetime:
        """When the job last changed its state."""
        return self.changes[-1].at if self.changes else self.created_at

    @computed_field  # type: ignore[prop-decorator]
    @property
    def history(self) -> list[Entry]:
        """Every change of state, oldest first."""
        left = (State.QUEUED, *(change.to for change in self.changes))
        return [
            Entry(at=change.at, from_=state, to=change.to, cause=change.cause)
            for state, change in zip(left, self.changes, strict=False)
        ]

    @property
    def is_finished(self) -> bool:
        """Whether nothing happens to the job any more unless a person asks, or a result is late."""
        return self.state in FINISHED

    @property
    def accepted_at(self) -> datetime:
        """When the provider took the task; the poll schedule counts from here."""
        taken = (c.at for c in reversed(self.changes) if c.to is State.WAITING)
        return next(taken, self.created_at)

    @property
    def asked_at(self) -> datetime:
        """When the job was last asked for by a person: at its start, or by a retry."""
        retries = (c.at for c in reversed(self.changes) if c.cause == RETRY)
        return next(retries, self.created_at)

    @property
    def deadline(self) -> datetime | None:
        """When the first URL still to be downloaded dies; None if nothing is downloaded."""
        if self.state is not State.DOWNLOADING:
            return None
        pending = [image for image in self.images if image.state == "pending"]
        return min((image.expires_at for image in pending or self.images), default=None)

    def allows(self, to: State) -> bool:
        """Whether the table lets the job move to `to`."""
        return to in TRANSITIONS[self.state]

    def transition_to(
        self, to: State, cause: str, at: datetime, wake_at: datetime, **fields: Any
    ) -> Job:
        """The job after a move; raises InvalidTransitionError if the table does not hold it."""
        if not self.allows(to):
            raise InvalidTransitionError(
                f"{self.id} is {self.state}: it cannot become {to} ({cause})"
            )
        changes = _fold_repeats((*self.changes, Change(at, to, cause)))
        return self.evolve(wake_at, state=to, changes=changes, **fields)

    def with_note(self, cause: str, at: datetime, wake_at: datetime) -> Job:
        """The job with a line in its history that is no move.

        Raises InvalidTransitionError if that line is there already, or many are.
        """
        if len(self.changes) >= MAX_NOTES:
            raise InvalidTransitionError(f"{self.id}: its history is long enough")
        if any((change.to, change.cause) == (self.state, cause) for change in self.changes):
            raise InvalidTransitionError(f"{self.id}: {cause} is on record")
        return self.evolve(wake_at, changes=(*self.changes, Change(at, self.state, cause)))

    def evolve(self, wake_at: datetime, **fields: Any) -> Job:
        """The job with fields changed, a wake-up set and a revision of its own."""
        update = {**fields, "wake_at": wake_at, "revision": _random()}
        return self.model_copy(update=update)


def _fold_repeats(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """A history in which a pair of moves that repeats itself stands once, with its count.

    A job that meets a rate limit again and again would outgrow its record otherwise.
    """
    if len(changes) < 4:
        return changes
    *older, a, b, c, d = changes
    cause, _, times = b.cause.partition(TIMES)
    if (a.to, a.cause, b.to, cause) != (c.to, c.cause, d.to, d.cause):
        return changes
    return (*older, c, Change(d.at, d.to, f"{cause}{TIMES}{int(times or 1) + 1}"))


def new_job(at: datetime, **fields: Any) -> Job:
    """A job that was just accepted and is due at once; ids sort by the time they were made."""
    job_id = f"job_{ULID.from_datetime(at)}"
    return Job(id=job_id, created_at=at, wake_at=at, **fields)


def utc_now() -> datetime:
    """The time in UTC, in the whole milliseconds that a record keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def add_seconds(at: datetime, seconds: float) -> datetime:
    """`seconds` later."""
    return at + timedelta(seconds=seconds)
