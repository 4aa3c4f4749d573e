"""Every error a caller can meet, under one base class; each message says what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client.results import JobFields


class ImageQueueError(Exception):
    """Base class of every error that this package raises on purpose."""


class ConfigError(ImageQueueError):
    """A setting or this machine prevents the start."""


class RedisUnavailableError(ImageQueueError):
    """Redis is unreachable or refused a write; nothing was partly done."""


class NotDurableError(RedisUnavailableError):
    """Redis accepted a write but did not flush it to disk in time."""


class ArchiveUnavailableError(ImageQueueError):
    """The database of finished jobs does not answer; nothing was lost."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request: the dotted field (`params.size`), and what to change."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidRequestError(ImageQueueError):
    """A request was refused before anything was queued; `problems` lists every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class IdempotencyConflictError(ImageQueueError):
    """An idempotency key belongs to a different request; nothing was queued."""

    def __init__(self, places: Sequence[int], message: str | None = None) -> None:
        if message is None and places == [0]:
            message = "the idempotency key was used for another request: give a new one"
        elif message is None:
            words = "idempotency keys were used for other requests: give new ones to items"
            message = f"{words} {', '.join(map(str, places))}"
        super().__init__(message)
        self.places = tuple(places)


class LimitError(ImageQueueError):
    """An API key has submitted as many jobs as its limits allow; nothing was queued."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """None if waiting will not help: the request alone exceeds the limit."""


class BudgetExceededError(LimitError):
    """A budget does not allow the request; nothing was queued."""


class UploadError(ImageQueueError):
    """A local image could not be uploaded to its provider; nothing was queued."""


class InvalidTransitionError(ImageQueueError):
    """The job's state does not allow the change, or another process changed the job first."""


class NotFoundError(ImageQueueError):
    """Base class of errors for an id that is not stored."""


class UnknownJobError(NotFoundError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id}: check the id; a job is deleted after its retention")


class UnreadableRecordError(ImageQueueError):
    """What is stored under an id is damaged, or a newer version wrote it; it stays as it is."""

    def __init__(self, record_id: str, why: str) -> None:
        super().__init__(f"the record of {record_id} cannot be read: {why}")
        self.record_id = record_id
        self.why = why


class UnreadableJobError(UnreadableRecordError):
    """The record of a job cannot be read."""


class NewerRecordError(UnreadableJobError):
    """A newer version wrote the record of a job: only that version may change it."""


class UnknownBatchError(NotFoundError):
    """No batch has this id."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"no batch {batch_id}: check the id; a batch is deleted after 90 days")


class UnknownPauseError(NotFoundError):
    """Nothing of this name is paused."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not paused; `imagequeue pauses` lists what is")


class UnknownCallbackError(NotFoundError):
    """No quarantined callback has this id: it was replayed, or newer ones displaced it."""


class ApiKeyError(ImageQueueError):
    """An API key's name is unknown, already taken or malformed."""


class JobFailedError(ImageQueueError):
    """A job ended without images; `job` is the job, and `reason` says why."""

    def __init__(self, job: JobFields) -> None:
        error = job.error
        self.job = job
        self.reason: str = error.reason if error and error.reason else job.state
        """The reason of its error, or its state: `cancelled` or `unsaved`."""
        words = " ".join(filter(None, (error.code, error.message))) if error else ""
        super().__init__(f"{job.id} is {job.state}: {self.reason} {words}".rstrip())


class AccessError(ImageQueueError):
    """The API refuses the key, or the key has no right to do this."""


class ApiError(ImageQueueError):
    """The API gave an answer that means nothing else; `status` is None without an answer."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiUnavailableError(ApiError):
    """The API did not answer, or cannot for now, within the time of the call: try again later."""
