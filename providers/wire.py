"""What passes between the queue and a provider: calls out, answers and reports back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

RefusalReason = Literal["policy", "bad_input", "auth", "credit", "provider"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderRequest:
    """One HTTP request to a provider, relative to its base URL; the caller adds the key."""

    method: Literal["GET", "POST"]
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, object] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderResponse:
    """What came back over HTTP: the status and the raw body, not yet believed."""

    status: int
    body: bytes
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultImage:
    """A picture (or video) the provider made: where it lies and how long it stays there."""

    url: str
    lifetime_s: int | None = None
    """None where nobody says."""
    kind: Literal["result", "origin"] = "result"


# What the answer to a submission says. Only `RetryLater` and `TryOtherVersion` may be sent again.


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The provider has the task; a synchronous answer brings the pictures with it."""

    task_id: str
    images: tuple[ResultImage, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryLater:
    """Not taken, not charged: send again later; `rate_limited` burns no attempt."""

    code: str
    message: str
    rate_limited: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """Not taken, not charged, and the same request would be refused again."""

    reason: RefusalReason
    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TryOtherVersion:
    """Refused for its wording alone: the same job may be sent once more in `api_version`."""

    api_version: str
    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeUnknown:
    """The answer does not say whether the task was taken: it may have been paid."""

    code: str
    message: str


SubmitOutcome = Accepted | RetryLater | Refused | TryOtherVersion | OutcomeUnknown


# What a look-up or a callback reports about a task.


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """The task is known and not finished."""

    task_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Succeeded:
    """The task is finished; at least one image of kind `result` is there."""

    images: tuple[ResultImage, ...]
    task_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The task is finished without pictures, with the provider's own code and words."""

    reason: RefusalReason
    code: str
    message: str
    task_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskNotFound:
    """The provider does not know the task: perhaps not yet."""

    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusUnavailable:
    """The look-up itself failed and says nothing about the task: ask again later."""

    code: str
    message: str
    retry_after_s: float | None = None


TaskStatus = Pending | Succeeded | Failed | TaskNotFound | StatusUnavailable


class MalformedResponseError(Exception):
    """A body that is none of the shapes the provider documents; the message never quotes it."""
