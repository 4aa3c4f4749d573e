"""What a client reports about the queue: positions, costs and budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime

from pydantic import Field

from ..config.redis import reachable
from ..config.settings import Settings
from ..jobs.cost import MICRO
from ..jobs.delivery import Delivery
from ..jobs.filter import JobConditions
from ..jobs.ids import check_cursor, is_batch_id, quote_name
from ..jobs.job import Job, State
from ..store.batches import BatchPage, BatchSummary
from ..store.deployment.processes import ProcessKind, list_processes
from ..store.jobs import Store
from ..store.money.budgets import BudgetReader, BudgetUse
from ..store.money.ledger import CostRow, Ledger
from ..store.submit.pauses import Pauses
from ..store.submit.positions import QueuePosition, open_positions
from ..store.webhooks.deliveries import MAX_DELIVERIES, list_deliveries
from .costs import CostRequest, parse_dimensions, report_costs


class JobDetails(Job):
    """A job, where it stands while it is queued, and how its webhooks were delivered."""

    queue: QueuePosition | None = Field(description="Null unless it is queued.")
    deliveries: list[Delivery] = Field(
        description=f"The latest {MAX_DELIVERIES} tries to deliver its webhooks, oldest first."
    )


def has_details(job: Job) -> bool:
    """Return whether more is known of a job than what its record holds."""
    return job.state is State.QUEUED or bool(job.webhook_url)


def describe(
    job: Job, position: QueuePosition | None = None, deliveries: Sequence[Delivery] = ()
) -> JobDetails:
    """Return a job with its details."""
    return JobDetails.model_construct(**dict(job), queue=position, deliveries=list(deliveries))


class Reports:
    """Reads what the store knows beyond single jobs."""

    def __init__(self, settings: Settings, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._ledger = Ledger(store.redis, store.history.open_archive)
        self._budgets = BudgetReader(store.redis, settings)
        self._pauses = Pauses(store.redis)
        self._positions = open_positions(store.redis, settings)

    @reachable()
    def measure_positions(
        self, jobs: Sequence[Job], *, redacted: bool = False
    ) -> dict[str, QueuePosition]:
        """Return where each queued job stands, by its id; others are left out.

        Redacted, no position quotes what a provider said of a key.
        """
        now = self._now()
        positions = self._positions.measure(jobs, now)
        if not redacted or not positions:
            return positions
        pauses = self._pauses.list_all(now)
        return {job_id: each.redact(pauses) for job_id, each in positions.items()}

    def add_details(self, job: Job, *, redacted: bool = False) -> JobDetails:
        """Return the job with what its record does not hold."""
        positions = self.measure_positions([job], redacted=redacted)
        return describe(job, positions.get(job.id), self.list_deliveries(job))

    def iter_matching(
        self, chosen: JobConditions, submitted_by: str | None = None
    ) -> Iterator[Job]:
        """Yield all matching jobs, newest first; those of a caller, or of all."""
        if submitted_by is not None and chosen.caller not in (None, submitted_by):
            return
        with reachable():
            since = chosen.find_start(self._now())
            chosen = chosen.model_copy(update={"caller": submitted_by or chosen.caller})
            visited = self._store.history.iter_matching(chosen, chosen.list_states(), since)
            yield from (job for _, job in visited if job)

    @reachable()
    def find_newer(
        self, job_id: str, chosen: JobConditions, submitted_by: str | None = None
    ) -> Job | None:
        """Return the next newer of the matching jobs; None where none follows soon."""
        chosen = chosen.model_copy(update={"caller": submitted_by or chosen.caller})
        return self._store.history.find_newer(chosen, job_id)

    @reachable()
    def list_deliveries(self, job: Job) -> list[Delivery]:
        """Return the latest tries to deliver the webhooks of a job, oldest first."""
        return list_deliveries(self._store.redis, job.id) if job.webhook_url else []

    @reachable()
    def sum_spent_usd(self, submitted_by: str | None = None) -> dict[str, float]:
        """Return the dollars spent in this `day` and `month` in UTC, in all or by a caller."""
        today = self._now().date()
        caller = "*" if submitted_by is None else quote_name(submitted_by)
        periods = {"day": today.isoformat(), "month": f"{today:%Y-%m}"}
        return {
            name: self._ledger.get_spent(period, caller)["usd"] / MICRO
            for name, period in periods.items()
        }

    @reachable()
    def report_costs(
        self,
        by: str = "day",
        since: date | None = None,
        until: date | None = None,
        submitted_by: str | None = None,
        batch: str | None = None,
    ) -> list[CostRow]:
        """Return what was spent by `day`, `provider`, `model`, `key` or `caller`, or by a batch.

        The days are in UTC, by default the last 30. Raises InvalidRequestError.
        """
        if batch is not None:
            self._store.batches.get(batch, submitted_by)
        request = CostRequest(parse_dimensions(by), since, until, submitted_by, batch)
        return report_costs(self._ledger, self._now().date(), request)

    @reachable()
    def list_batches(
        self, *, limit: int, cursor: str | None = None, submitted_by: str | None = None
    ) -> BatchPage:
        """Return a page of batches, newest first, with their progress and costs.

        Raises InvalidRequestError for a cursor of no page.
        """
        check_cursor(cursor, is_batch_id)
        return self._store.batches.list_page(limit, cursor, submitted_by)

    @reachable()
    def summarize_batch(self, batch_id: str, submitted_by: str | None = None) -> BatchSummary:
        """Return a batch with its progress and costs; raises UnknownBatchError."""
        return self._store.batches.summarize(batch_id, submitted_by)

    @reachable()
    def has_worker(self) -> bool:
        """Return whether a worker runs, on any host."""
        running = list_processes(self._store.redis)
        return any(each.kind == ProcessKind.WORKER for each in running)

    @reachable()
    def report_budgets(self, submitted_by: str | None = None) -> list[BudgetUse]:
        """Return how much of each budget is used at present, or of those of one API key."""
        return self._budgets.list_uses(self._now(), submitted_by)
