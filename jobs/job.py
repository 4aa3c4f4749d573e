"""A job as an immutable value, and the changes it can make."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import AliasChoices, Field, computed_field

from ..errors import InvalidTransitionError
from ..json_values import StoredObject
from ..providers import PROVIDERS
from ..providers.request import Priority
from .charge import Charged, Submitted, find_charge, list_submissions
from .cost import Cost, TaskCost, follow_transition, sum_costs
from .fallback import Fallback
from .history import MAX_NOTES, RETRY, Change, Entry, fold_repeats, to_entries
from .ids import make_job_id
from .image import Image, JobError, Value
from .state import FINISHED, IN_FLIGHT, PROVISIONAL, QUEUE_OF, TRANSITIONS, Reason, State

# All that belongs to a job, from one module.
__all__ = [
    "FINISHED",
    "IN_FLIGHT",
    "MAX_NOTES",
    "PROVISIONAL",
    "QUEUE_OF",
    "RETRY",
    "TRANSITIONS",
    "Change",
    "Charged",
    "Entry",
    "Image",
    "Job",
    "JobError",
    "Reason",
    "State",
    "add_seconds",
    "new_job",
    "utc_now",
]


def _make_revision() -> str:
    return os.urandom(6).hex()


class Job(Value):
    """A request for images and its result; every change makes a new value."""

    id: str
    state: State = State.QUEUED
    provider: str
    action: str
    prompt: str = ""
    image_urls: tuple[str, ...] = ()
    params: StoredObject = Field(default_factory=dict)
    delivery: Literal["callback", "poll"]
    task_id: str | None = Field(None, description="The provider's id of the task.")
    account_key: str = Field(
        "", description="The name of the provider's key that the job was sent with."
    )
    priority: Priority = "normal"
    not_before: datetime | None = Field(None, description="The job is not sent earlier.")
    after: tuple[str, ...] = Field(
        (), description="The jobs that have to succeed before it is sent."
    )
    metadata: StoredObject = Field(default_factory=dict, description="Yours; never sent on.")
    image_name: str | None = Field(None, description="The template for the names of its images.")
    submitted_by: str = Field("", description="The name of the API key, or of the program.")
    batch: str | None = Field(None, description="The batch that the job was submitted with.")
    webhook_url: str | None = Field(None, description="Receives an event when the job finishes.")
    fallback: tuple[Fallback, ...] = Field(
        (), description="Where it is sent, in order, if its provider certainly does not take it."
    )
    error: JobError | None = None
    images: tuple[Image, ...] = Field((), description="The results.")
    origins: tuple[Image, ...] = Field(
        (), description="What the provider lists beside the results, such as an earlier version."
    )
    created_at: datetime

    revision: str = Field(default_factory=_make_revision, exclude=True)
    """Random, so that a writer whose response was lost recognises its own write."""
    wake_at: datetime = Field(exclude=True)
    """The wake-up that the last transition set; for a finished job, the end of its retention."""
    # Records of earlier versions have the second name.
    api_version: str = Field(
        "", exclude=True, validation_alias=AliasChoices("api_version", "dialect")
    )
    """The version of the provider's API that the task was sent to."""
    attempts: int = Field(0, exclude=True)
    """Submissions sent, without those that were rate limited."""
    submissions: int = Field(0, exclude=True)
    """All submissions sent; the number of one assigns a response to it."""
    result_id: str = Field("", exclude=True)
    """The provider's id of the result, where requests that go on with it name that."""
    former_tasks: tuple[str, ...] = Field((), exclude=True)
    """Other tasks of this job, from before a retry; their images are as good as its own."""
    hands_over: bool = Field(False, exclude=True)
    """Whether the provider could not fetch an image of a job: it is handed the stored one."""
    fingerprint: str = Field("", exclude=True)
    """The digest of what its images depend on: the same for the same request of a caller."""
    estimate: int | None = Field(None, exclude=True)
    """The expected price of one submission, in millionths of a credit."""
    costs: tuple[TaskCost, ...] = Field((), exclude=True)
    """What each submission costs that may be charged."""
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
        return to_entries(self.changes)

    @computed_field(  # type: ignore[prop-decorator]
        description="Whether the provider charges for it: `no`, `yes` or `unknown`."
    )
    @property
    def charged(self) -> Charged:
        """Whether the provider charges for the job, as far as that is known by now."""
        provider = PROVIDERS.get(self.provider)
        return find_charge(
            list_submissions(self.changes),
            has_images=bool(self.all_images),
            charges_failed_tasks=provider.charges_failed_tasks if provider else None,
        )

    @computed_field(  # type: ignore[prop-decorator]
        description="What it costs so far, as stated by the provider or else estimated."
    )
    @property
    def cost(self) -> Cost:
        """What the job costs so far, without what is certainly not charged."""
        provider = PROVIDERS.get(self.provider)
        return sum_costs(self.costs, provider.account.credit_usd if provider else None)

    @property
    def all_images(self) -> tuple[Image, ...]:
        """The results and then the origins; each has its own index among them."""
        return (*self.images, *self.origins)

    @property
    def is_finished(self) -> bool:
        """Whether nothing happens to the job any more without a user or a late result."""
        return self.state in FINISHED

    @property
    def was_sent(self) -> bool:
        """Whether a request for it was ever sent."""
        return bool(self.submissions or list_submissions(self.changes))

    @property
    def has_lost_task(self) -> bool:
        """Whether a submission before a retry may have a task whose id is not known."""
        submissions = list_submissions(self.changes)
        before = submissions if self.state is State.QUEUED else submissions[:-1]
        return Submitted.UNANSWERED in before

    @property
    def accepted_at(self) -> datetime:
        """When the provider accepted the task; the poll schedule counts from here."""
        accepted = (c.at for c in reversed(self.changes) if c.to is State.WAITING)
        return next(accepted, self.created_at)

    @property
    def asked_at(self) -> datetime:
        """When a user last asked for the job: when it was created, or by a retry."""
        retries = (c.at for c in reversed(self.changes) if c.cause == RETRY)
        return next(retries, self.created_at)

    @property
    def deadline(self) -> datetime | None:
        """When the first URL still to be downloaded expires; None if nothing is downloaded."""
        if self.state is not State.DOWNLOADING:
            return None
        pending = [image for image in self.all_images if image.state == "pending"]
        return min((image.expires_at for image in pending or self.all_images), default=None)

    def can_become(self, to: State) -> bool:
        """Whether TRANSITIONS allows the job to enter a state."""
        return to in TRANSITIONS[self.state]

    def transition_to(
        self,
        to: State,
        cause: str,
        at: datetime,
        wake_at: datetime,
        cost: Decimal | None = None,
        **fields: Any,
    ) -> Job:
        """Return the job in another state, with other fields changed as given.

        `cost` is what the provider says that its task costs, in credits.
        Raises InvalidTransitionError if TRANSITIONS does not allow it.
        """
        if not self.can_become(to):
            raise InvalidTransitionError(
                f"{self.id} is {self.state}: it cannot become {to} ({cause})"
            )
        changes = fold_repeats((*self.changes, Change(at, to, cause)))
        job = self.evolve(wake_at, state=to, changes=changes, **fields)
        provider = PROVIDERS.get(self.provider)
        charges_failed = provider.charges_failed_tasks if provider else None
        costs = follow_transition(self, job, cause, cost, charges_failed)
        return job.model_copy(update={"costs": costs})

    def with_note(self, cause: str, at: datetime, wake_at: datetime) -> Job:
        """Return the job with a history entry that does not change its state.

        Raises InvalidTransitionError if the history has that entry already, or is too long.
        """
        if len(self.changes) >= MAX_NOTES:
            raise InvalidTransitionError(f"{self.id}: its history has {MAX_NOTES} entries already")
        if any((change.to, change.cause) == (self.state, cause) for change in self.changes):
            raise InvalidTransitionError(f"{self.id}: {cause!r} is in its history already")
        return self.evolve(wake_at, changes=(*self.changes, Change(at, self.state, cause)))

    def evolve(self, wake_at: datetime, **fields: Any) -> Job:
        """Return the job with fields changed, a wake-up set and a new revision."""
        update = {**fields, "wake_at": wake_at, "revision": _make_revision()}
        return self.model_copy(update=update)


def new_job(at: datetime, not_before: datetime | None = None, **fields: Any) -> Job:
    """Return a queued job, due at once or at `not_before`; its id sorts by its creation."""
    wake_at = max(at, not_before) if not_before else at
    job_id = make_job_id(at)
    return Job(id=job_id, created_at=at, wake_at=wake_at, not_before=not_before, **fields)


def utc_now() -> datetime:
    """Return the time in UTC, in whole milliseconds, as records store it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def add_seconds(at: datetime, seconds: float) -> datetime:
    """Return the time `seconds` after `at`."""
    return at + timedelta(seconds=seconds)
