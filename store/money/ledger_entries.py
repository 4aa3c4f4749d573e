"""What a transition adds to the ledger: the difference between the costs before and after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from ...jobs.charge import Charged
from ...jobs.cost import TaskCost, to_usd
from ...jobs.ids import quote_name
from ...jobs.job import Job
from ...providers import PROVIDERS


class Amounts(NamedTuple):
    """What is summed; amounts are in millionths."""

    tasks: int = 0
    unpriced: int = 0
    """Tasks whose price is not known."""
    credits: int = 0
    usd: int = 0
    estimated_usd: int = 0
    """The part of `usd` that no provider has stated."""
    unknown_usd: int = 0
    """The part of `usd` that is perhaps not charged."""

    def minus(self, other: Amounts) -> Amounts:
        """Return the difference of each."""
        return Amounts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class Group(NamedTuple):
    """What amounts are summed by, besides the day and the batch."""

    provider: str
    model: str
    key: str
    caller: str

    def dump(self) -> str:
        """Return the group as a field of Redis's hashes."""
        return "|".join(map(quote_name, self))


def dump_entries(before: Job, after: Job) -> str:
    """Return the entries of a transition as `transition.lua` reads them; "" for none."""
    entries = [_dump_entry(after, cost, amounts) for cost, amounts in _find_changes(before, after)]
    return json.dumps(entries, separators=(",", ":")) if entries else ""


def _find_changes(before: Job, after: Job) -> Iterator[tuple[TaskCost, Amounts]]:
    if before.costs == after.costs:
        return
    provider = PROVIDERS.get(after.provider)
    credit_usd = provider.account.credit_usd if provider else None
    known = {cost.submission: cost for cost in before.costs}
    for cost in after.costs:
        difference = _measure(cost, credit_usd).minus(
            _measure(known.get(cost.submission), credit_usd)
        )
        if any(difference):
            yield cost, difference


def _measure(cost: TaskCost | None, credit_usd: Decimal | None) -> Amounts:
    if cost is None or cost.charged is Charged.NO:
        return Amounts()
    usd = to_usd(cost.credits or 0, credit_usd) or 0
    return Amounts(
        tasks=1,
        unpriced=int(cost.credits is None),
        credits=cost.credits or 0,
        usd=usd,
        estimated_usd=0 if cost.is_stated else usd,
        unknown_usd=usd if cost.charged is Charged.UNKNOWN else 0,
    )


def _dump_entry(job: Job, cost: TaskCost, amounts: Amounts) -> dict[str, Any]:
    model = str(job.params.get("model", ""))
    group = Group(job.provider, model, cost.account_key, job.submitted_by)
    # As text: Lua's numbers would round what is above 2^53.
    changed = {name: str(n) for name, n in amounts._asdict().items() if n}
    entry = {
        "at": job.updated_at.isoformat(),
        "submission": cost.submission,
        "task": cost.task_id,
        "charged": cost.charged,
        **group._asdict(),
        "batch": job.batch,
        **{name: int(n) for name, n in changed.items()},
    }
    spent = {"usd": changed.get("usd"), get_account(job): changed.get("credits")}
    return {
        "entry": json.dumps(entry, ensure_ascii=False, separators=(",", ":")),
        "group": group.dump(),
        "caller": quote_name(job.submitted_by),
        "amounts": changed,
        "spent": {unit: amount for unit, amount in spent.items() if amount},
    }


def get_account(job: Job) -> str:
    """Return the name of the account whose credits pay for a job."""
    provider = PROVIDERS.get(job.provider)
    return provider.account.name if provider else job.provider
