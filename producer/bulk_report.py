"""The report of a bulk action: how many jobs it changes, what that costs, and why not others."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import BaseModel, Field

from ..errors import ImageQueueError, LimitError, NotFoundError, UnreadableJobError
from ..jobs.cost import MICRO
from ..jobs.job import Job, State
from ..store.submit.places import estimate_usd
from .commands import Action, Charge, explain_refusal, find_charge


class ChargedJobs(BaseModel):
    """Jobs that an action changes, by what that means for the bill."""

    charge: Charge
    jobs: int
    usd: float = Field(
        description="What a retry is expected to cost, or what was spent where a charge stands."
    )
    unpriced: int = Field(description="How many of the jobs have a price that is not known.")


class UnchangedJobs(BaseModel):
    """Jobs that an action does not change, and why."""

    why: str = Field(examples=["is succeeded: it cannot be cancelled"])
    jobs: int


class JobProblem(BaseModel):
    """A job of the given ids that is not changed, and why."""

    id: str
    message: str


class BulkReport(BaseModel):
    """How far a bulk action is; in a dry run, what it would do."""

    action: Action
    dry_run: bool
    total: int = Field(description="The selected jobs, as they were counted at the beginning.")
    done: int = Field(description="How many of them were looked at so far.")
    changed: int
    unchanged: int
    charges: list[ChargedJobs] = Field(description="The changed jobs.")
    reasons: list[UnchangedJobs] = Field(description="The unchanged jobs.")
    saved_usd: float = Field(
        0, description="What jobs were expected to cost that are cancelled free of charge."
    )
    problems: list[JobProblem] = Field(
        default=[], description="The unchanged ones of the given ids, since the last report."
    )
    finished: bool = Field(False, description="Whether this is the last report.")
    error: str | None = Field(
        None, description="Why the action ended early; repeat it to finish it."
    )

    @property
    def charged(self) -> int:
        """How many of the changed jobs are not free of charge."""
        return self.changed - self._count(Charge.NOTHING)

    @property
    def paid_again(self) -> int:
        """How many of the changed jobs are, or may be, charged a second time."""
        return self._count(Charge.AGAIN, Charge.MAYBE_AGAIN)

    def _count(self, *charges: Charge) -> int:
        return sum(each.jobs for each in self.charges if each.charge in charges)


class Tally:
    """Counts what becomes of each job."""

    def __init__(self, action: Action, total: int, *, dry_run: bool) -> None:
        self._action = action
        self._total = total
        self._dry_run = dry_run
        self._changed: Counter[Charge] = Counter()
        self._micro_usd: Counter[Charge] = Counter()
        self._unpriced: Counter[Charge] = Counter()
        self._unchanged: Counter[str] = Counter()
        self._saved_micro_usd = 0

    def add_changed(self, after: Job) -> None:
        """Count a job, given as the action leaves it."""
        charge = find_charge(self._action, after)
        self._changed[charge] += 1
        if charge is not Charge.NOTHING:
            micro_usd, is_priced = _find_price(self._action, after)
            self._micro_usd[charge] += micro_usd
            self._unpriced[charge] += not is_priced
        elif self._action is Action.CANCEL:
            self._saved_micro_usd += estimate_usd(after) or 0

    def add_state(self, state: State, jobs: int) -> None:
        """Count jobs that the action does not apply to, because of their state."""
        self._unchanged[explain_refusal(self._action, state)] += jobs

    def add_problem(self, job_id: str, error: Exception) -> JobProblem:
        """Count a job that is not changed, and return why."""
        why = _explain(job_id, error)
        self._unchanged[why] += 1
        is_own = isinstance(error, ImageQueueError)
        return JobProblem(id=job_id, message=str(error) if is_own else f"{job_id} {why}")

    def report(self, **fields: Any) -> BulkReport:
        """Return the counts so far, with other fields as given."""
        changed, unchanged = self._changed.total(), self._unchanged.total()
        return BulkReport(
            action=self._action,
            dry_run=self._dry_run,
            total=max(self._total, changed + unchanged),
            done=changed + unchanged,
            changed=changed,
            unchanged=unchanged,
            charges=[
                ChargedJobs(
                    charge=charge,
                    jobs=self._changed[charge],
                    usd=self._micro_usd[charge] / MICRO,
                    unpriced=self._unpriced[charge],
                )
                for charge in Charge
                if self._changed[charge]
            ],
            reasons=[UnchangedJobs(why=why, jobs=n) for why, n in self._unchanged.most_common()],
            saved_usd=self._saved_micro_usd / MICRO,
            **fields,
        )


def _find_price(action: Action, job: Job) -> tuple[int, bool]:
    """Return the millionths of a dollar that a job costs, and whether all of its price is known."""
    if action is not Action.RETRY:
        cost = job.cost
        is_priced = cost.usd is not None and not cost.unpriced
        return round((cost.usd or 0) * MICRO), is_priced
    usd = estimate_usd(job)
    return usd or 0, usd is not None


def _explain(job_id: str, error: Exception) -> str:
    """Return why a job is not changed, in words that jobs of the same kind share."""
    match error:
        case NotFoundError():
            return "is not known"
        case UnreadableJobError():
            return "cannot be read"
        case LimitError():
            return f"is beyond the limits of the API key: {error}"
        case ImageQueueError():
            return str(error).removeprefix(job_id).strip()
        case _:
            return f"cannot be changed: {type(error).__name__}"


_VERBS = {
    Action.CANCEL: ("would be cancelled", "cancelled"),
    Action.RETRY: ("would be started again", "started again"),
    Action.ACKNOWLEDGE: ("would be acknowledged", "acknowledged"),
}
_CHARGES = {
    Charge.NOTHING: "free of charge",
    Charge.FIRST: "sent once more; nothing was charged before",
    Charge.AGAIN: "sent once more, which is charged again",
    Charge.MAYBE_AGAIN: "sent once more, which may be charged twice",
    Charge.STANDS: "the charge stands",
    Charge.MAY_STAND: "the charge may stand",
}


def describe_report(report: BulkReport) -> list[str]:
    """Return the report in lines: the changed jobs by their charge, the unchanged ones by why."""
    verb = _VERBS[report.action][not report.dry_run]
    changed = f"{report.changed:,} of {report.done:,} jobs {verb}"
    return [
        changed,
        *(f"{each.jobs:,}: {_describe_charge(each)}" for each in report.charges),
        *([f"about {report.saved_usd:.3f} USD is not spent"] if report.saved_usd else []),
        *(f"{each.jobs:,} unchanged: each {each.why}" for each in report.reasons),
    ]


def _describe_charge(charged: ChargedJobs) -> str:
    words = _CHARGES[charged.charge]
    if charged.charge is Charge.NOTHING:
        return words
    unpriced = f", and {charged.unpriced:,} without a known price" if charged.unpriced else ""
    return f"{words} (about {charged.usd:.3f} USD{unpriced})"
