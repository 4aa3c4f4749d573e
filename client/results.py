"""What the API answers, as typed values; fields of a newer queue are ignored."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import Problem

if TYPE_CHECKING:
    from .catalogue import ActionName, Priority, ReasonName, StateName

    ImageKind = Literal["result", "origin"]
    ImageState = Literal["pending", "stored", "expired", "skipped"]
    Charged = Literal["no", "yes", "unknown"]
else:
    # A newer queue may have more of them, which must not make its answers unreadable.
    ActionName = Priority = ReasonName = StateName = ImageKind = ImageState = Charged = str

FINISHED = frozenset({"succeeded", "failed", "cancelled", "unsaved"})
"""The states in which nothing happens to a job any more without a user or a late result."""


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed or could not be saved, with the provider's own code and message."""

    reason: ReasonName | None = None
    """None while saving the images may be tried again."""
    code: str = ""
    message: str = ""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a job costs so far, without what is certainly not charged."""

    credits: float = 0
    """In the credits of the provider's account."""
    usd: float | None = None
    """The same in dollars; None where a credit has no price."""
    estimated: bool = False
    unpriced: int = 0
    """How many of its tasks have a price that is not known."""


class QueuePosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a queued job stands; docs/api.md explains what it may wait for."""

    position: int | None = None
    """How many jobs are sent before it."""
    waits_for: str = ""
    reason: str | None = None
    wait_s: float | None = None
    starts_at: datetime | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a job's state."""

    at: datetime
    from_: StateName = msgspec.field(name="from")
    to: StateName
    cause: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One try to deliver a webhook, and what became of it."""

    at: datetime
    webhook_id: str
    event: str
    status: int | None = None
    error: str | None = None
    """A word for the failure; None if it was delivered."""
    duration_ms: int = 0
    next_at: datetime | None = None
    """When it is tried again; None once it is delivered or given up on."""


class ImageFields(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One image or video of a job."""

    index: int
    kind: ImageKind = "result"
    state: ImageState = "pending"
    source_url: str = ""
    """The provider's URL, which expires at `expires_at`."""
    expires_at: datetime | None = None
    error: str | None = None
    """Why the last attempt to save it failed."""
    name: str | None = None
    """Its name in the storage of the queue."""
    uri: str | None = None
    """Where the queue stores the file; `url` is where its API serves it."""
    sha256: str | None = None
    bytes: int | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None


class JobFields(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A request for images and its result."""

    id: str
    state: StateName
    provider: str
    action: str = "generate"
    prompt: str = ""
    image_urls: list[str] = []
    params: dict[str, Any] = {}
    task_id: str | None = None
    """The provider's id of the task."""
    account_key: str = ""
    """The name of the provider's key that the job was sent with."""
    priority: Priority = "normal"
    not_before: datetime | None = None
    after: list[str] = []
    metadata: dict[str, Any] = {}
    submitted_by: str = ""
    batch: str | None = None
    image_name: str | None = None
    """The template for the names of its images."""
    webhook_url: str | None = None
    error: JobError | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    history: list[Change] = []
    charged: Charged = "unknown"
    """Whether the provider charges for it."""
    cost: Cost | None = None
    queue: QueuePosition | None = None
    """Where it stands; None unless it is queued, and in lists."""
    deliveries: list[Delivery] = []
    """The latest tries to deliver its webhooks, oldest first; empty in lists."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing happens to it any more without a user or a late result."""
        return self.state in FINISHED

    @property
    def reason(self) -> ReasonName | None:
        """Why it failed; None if it did not fail."""
        return self.error.reason if self.error else None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that were submitted together, and how far they are."""

    id: str
    created_at: datetime | None = None
    submitted_by: str = ""
    progress: dict[StateName, int] = {}
    """How many of its jobs are in each state."""
    total: int = 0
    ended: int = 0
    spent_usd: float | None = None
    """What its jobs cost so far; None unless it is from a list."""
    estimated_usd: float | None = None
    """What all of its jobs are expected to cost; None unless it is from a list, and known."""

    @property
    def is_finished(self) -> bool:
        """Whether all its jobs are finished."""
        return self.ended >= self.total


class BatchPage(msgspec.Struct, frozen=True, kw_only=True):
    """Batches, newest first, and the cursor of the next page if there is one."""

    batches: list[Batch]
    cursor: str | None = None


class SubmittedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A request of `submit_many` that was accepted."""

    index: int
    """Its place among the requests, from 0."""
    id: str
    """The id of its job."""
    batch: str
    """The id of its batch."""


class RefusedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A request of `submit_many` that was refused, and everything that is wrong with it."""

    index: int
    problems: tuple[Problem, ...]


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An image that jobs may start from until it expires: give its id as an `image`."""

    id: str
    content_type: str = ""
    bytes: int = 0
    width: int = 0
    height: int = 0
    expires_at: datetime | None = None


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A job that changed, and the state that it entered or stays in."""

    id: str = ""
    """Give it to `events(after=)` to go on from here."""
    job: str = ""
    state: StateName = "queued"
    lost: bool = False
    """Whether it stands for changes that are not stored any more: list the jobs again."""


class Notice(Enum):
    """What becomes of the connection of a stream of events."""

    CONNECTED = auto()
    ALIVE = auto()
    BROKEN = auto()


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, its actions, and the number of its models; 0 if its requests name none."""

    name: str
    actions: list[str] = []
    models: int = 0
