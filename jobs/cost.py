"""What a job costs: an amount for each of its submissions that the provider may charge for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import Field

from .charge import REPORTED_CAUSES, Charged
from .image import Value
from .state import State

if TYPE_CHECKING:
    from .job import Job

MICRO = 1_000_000
"""Amounts are whole millionths of a credit or of a dollar, so that sums are exact."""
MAX_CREDITS = 1_000_000


class TaskCost(Value):
    """What one submission costs."""

    submission: int
    account_key: str = ""
    task_id: str | None = None
    credits: int | None = None
    """In millionths; None if the price is not known."""
    is_stated: bool = False
    """Whether the provider stated the amount; else it is the price that was expected."""
    charged: Charged


class Cost(Value):
    """What a job costs in all, without what is certainly not charged."""

    credits: float = Field(description="In the credits of the provider's account.")
    usd: float | None = Field(description="The same in dollars; null where a credit has no price.")
    estimated: bool = Field(description="Whether the provider has not stated a part of it.")
    unpriced: int = Field(description="How many of its tasks have a price that is not known.")


def to_micro(amount: Decimal | None) -> int | None:
    """Return an amount in millionths; None for one that no task can cost."""
    if amount is None or not amount.is_finite() or not 0 <= amount <= MAX_CREDITS:
        return None
    return round(amount * MICRO)


def to_usd(micro: int, credit_usd: Decimal | None) -> int | None:
    """Return the millionths of a dollar that so many millionths of a credit cost."""
    return None if credit_usd is None else round(micro * credit_usd)


def sum_costs(costs: tuple[TaskCost, ...], credit_usd: Decimal | None) -> Cost:
    """Return what the submissions cost in all."""
    counted = [cost for cost in costs if cost.charged is not Charged.NO]
    micro = sum(cost.credits or 0 for cost in counted)
    usd = to_usd(micro, credit_usd)
    return Cost(
        credits=micro / MICRO,
        usd=None if usd is None else usd / MICRO,
        estimated=any(not cost.is_stated for cost in counted),
        unpriced=sum(cost.credits is None for cost in counted),
    )


def follow_transition(
    before: Job, after: Job, cause: str, stated: Decimal | None, charges_failed_tasks: bool | None
) -> tuple[TaskCost, ...]:
    """Return the costs of a job after a transition; `stated` is what the provider said it costs."""
    match after.state:
        case State.WAITING | State.OVERDUE | State.DOWNLOADING:
            charged = Charged.YES
        case State.UNCONFIRMED:
            charged = Charged.UNKNOWN
        case State.FAILED if cause in REPORTED_CAUSES:
            charged = _judge_failure(to_micro(stated), charges_failed_tasks)
        case _:
            return before.costs
    costs = before.costs
    if before.state is State.SUBMITTING and _is_of_former_task(after):
        # The task of an earlier submission came first: this one may have been accepted as well.
        costs = put_cost(after, costs, after.submissions, Charged.UNKNOWN)
    submission = find_submission(after, costs, after.task_id)
    return put_cost(after, costs, submission, charged, after.task_id, stated)


def find_submission(job: Job, costs: tuple[TaskCost, ...], task_id: str | None) -> int:
    """Return which submission had a task; the latest for one that is not known."""
    known = (cost.submission for cost in costs if task_id and cost.task_id == task_id)
    return next(known, job.submissions)


def put_cost(
    job: Job,
    costs: tuple[TaskCost, ...],
    submission: int,
    charged: Charged,
    task_id: str | None = None,
    stated: Decimal | None = None,
) -> tuple[TaskCost, ...]:
    """Return the costs with what is known of a submission now; an estimate where nothing is."""
    found = [cost for cost in costs if cost.submission == submission]
    cost = found[0] if found else _estimate(job, submission, charged)
    amount = to_micro(stated)
    update = {
        "charged": charged,
        "task_id": task_id or cost.task_id,
        "is_stated": cost.is_stated or amount is not None,
        "credits": cost.credits if amount is None else amount,
    }
    others = tuple(cost for cost in costs if cost.submission != submission)
    return (*others, cost.model_copy(update=update))


def _estimate(job: Job, submission: int, charged: Charged) -> TaskCost:
    return TaskCost(
        submission=submission,
        account_key=job.account_key,
        credits=job.estimate,
        charged=charged,
    )


def _is_of_former_task(job: Job) -> bool:
    former = [cost.task_id for cost in job.costs if cost.submission != job.submissions]
    return job.task_id is not None and job.task_id in former


def _judge_failure(stated: int | None, charges_failed_tasks: bool | None) -> Charged:
    if stated is not None:
        return Charged.YES if stated else Charged.NO
    if charges_failed_tasks is None:
        return Charged.UNKNOWN
    return Charged.YES if charges_failed_tasks else Charged.NO
