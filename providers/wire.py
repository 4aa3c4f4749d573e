"""What passes between the queue and a provider: requests, responses and task statuses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

RefusalReason = Literal["policy", "bad_input", "auth", "credit", "provider"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderRequest:
    """One HTTP request to a provider, relative to the base URL; the caller adds the key."""

    method: Literal["GET", "POST"]
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, object] | None = field(default=None, repr=False)
    files: tuple[tuple[str, str], ...] = ()
    """The parts of a multipart form, each with the URL of an image; `body` has its texts."""
    base_url: str = ""
    """Another address than the account's: it gets the key, so it must be certainly the vendor's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderResponse:
    """An HTTP response: the status and the raw body, not parsed or trusted yet."""

    status: int
    body: bytes
    retry_after_s: float | None = None


# A job has at most this many images: each is a record to write and a file to save.
MAX_IMAGES = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultImage:
    """An image (or video) that the provider made: its URL and how long that lives."""

    url: str
    lifetime_s: int | None = None
    """None if the provider does not say."""
    kind: Literal["result", "origin"] = "result"


INLINE = "inline:"
"""How the URL of an image begins that came inside of a response; its digest follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InlineImage(ResultImage):
    """An image whose bytes the response holds itself."""

    content: bytes = field(repr=False)


def select_images(images: Iterable[ResultImage]) -> tuple[ResultImage, ...]:
    """Return those of a task's images that its job takes, in the job's order.

    The results and then the origins, each URL once, and at most MAX_IMAGES.
    """
    unique: dict[str, ResultImage] = {}
    for image in images:
        unique.setdefault(image.url, image)
    return tuple(sorted(unique.values(), key=lambda image: image.kind != "result"))[:MAX_IMAGES]


def make_task_id(images: Sequence[ResultImage]) -> str:
    """Return an id for a response that has none: the same one only for the same images."""
    digest = hashlib.sha256("\n".join(image.url for image in images).encode())
    return f"images-{digest.hexdigest()[:16]}"


# The outcomes of a submission. Only `RetryLater` and `TryOtherVersion` may be sent again.


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The provider has the task; a synchronous response also has the images."""

    task_id: str
    images: tuple[ResultImage, ...] = ()
    cost: Decimal | None = None
    """What the provider says that the task costs, in its credits."""
    result_id: str = ""
    """As in `Succeeded`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryLater:
    """Not accepted, not charged: send again later; `rate_limited` uses up no attempt."""

    code: str
    message: str
    rate_limited: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """Not accepted, not charged, and the same request would be refused again."""

    reason: RefusalReason
    code: str
    message: str
    input_not_fetched: bool = False
    """Whether it is because the provider could not fetch an input image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TryOtherVersion:
    """Refused for its spelling alone: the same job may be sent once more in `api_version`."""

    api_version: str
    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeUnknown:
    """The response does not say whether the task was accepted: it may have been paid."""

    code: str
    message: str
    body: str = ""
    """What was received with a successful HTTP status, to be read again by a later version."""


SubmitOutcome = Accepted | RetryLater | Refused | TryOtherVersion | OutcomeUnknown


# What a status response or a callback says about a task.


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """The task is known and not finished."""

    task_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Succeeded:
    """The task is finished and has at least one image of kind `result`."""

    images: tuple[ResultImage, ...]
    task_id: str | None = None
    cost: Decimal | None = None
    result_id: str = ""
    """The provider's id of the result, where requests that go on with it name that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The task is finished without images; code and message are the provider's own."""

    reason: RefusalReason
    code: str
    message: str
    task_id: str | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """The task has succeeded, but no result URL was found: its images exist and are paid for."""

    message: str = "it succeeded, but no result URL was found"
    task_id: str | None = None
    body: str = ""
    """What was received, to be read again by a later version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskNotFound:
    """The provider does not know the task, perhaps not yet."""

    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusUnavailable:
    """The status request failed and says nothing about the task: ask again later."""

    code: str
    message: str
    retry_after_s: float | None = None
    may_be_final: bool = False
    """Perhaps it means that the task has failed: asking for a whole day will not help."""
    body: str = ""
    """A successful response without a documented meaning, to be read again by a later version."""


TaskStatus = Pending | Succeeded | Failed | Unreadable | TaskNotFound | StatusUnavailable


def is_same_task(task_id: str, reported_id: str) -> bool:
    """Return whether a report is about a task.

    A provider may add `@` and what its status requests need to the id that a vendor gives a task,
    such as a region; the vendor's reports have the id alone.
    """
    return bool(reported_id) and reported_id in (task_id, task_id.rpartition("@")[0])


class MalformedResponseError(Exception):
    """The body has no documented shape; the message never quotes it."""
