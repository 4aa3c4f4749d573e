"""Budgets in Redis: how much of each is used, and whether new jobs may be accepted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import redis

from ...config.budgets import PERIODS, Budget, find_period
from ...config.logging import get_logger
from ...config.settings import PREFIX, Settings
from ...errors import BudgetExceededError
from ...jobs.cost import MICRO
from ...jobs.idempotency import IdempotencyKey
from ...jobs.ids import quote_name
from ...jobs.job import Job
from .. import keys
from ..callers.api_keys import ApiKeys
from ..submit.places import estimate_cost
from . import keys as money_keys

log = get_logger(__name__)

EVERYONE = "*"
"""The caller of a budget in all, as the ledger's sums name it; no name is quoted as this."""


class BudgetUse(NamedTuple):
    """A budget in its present day or month; amounts are in millionths of its unit."""

    budget: Budget
    caller: str | None
    """Whose jobs it is for; None for all jobs."""
    spent: int
    reserved: int
    """What jobs may cost that are being sent."""
    resets_at: datetime
    is_exhausted: bool
    """Whether a job did not fit into it in this period."""

    @property
    def left(self) -> int:
        """What may still be spent; costs above the estimate make it negative."""
        return self.budget.amount - self.spent - self.reserved

    def to_fields(self) -> dict[str, Any]:
        """Return the use as it is shown, with amounts in the budget's unit."""
        return {
            "budget": str(self.budget),
            "caller": self.caller,
            "spent": self.spent / MICRO,
            "reserved": self.reserved / MICRO,
            "left": self.left / MICRO,
            "resets_at": self.resets_at,
            "exhausted": self.is_exhausted,
        }


class BudgetReader:
    """Reads how much of each budget is used, those in all and those of API keys."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._in_all = settings.budgets
        self._refuses = settings.budget_exceeded == "refuse"

    def list_uses(self, now: datetime, caller: str | None = None) -> list[BudgetUse]:
        """Return the use of every budget; with `caller`, of that key's own ones."""
        budgets: list[tuple[str | None, Budget]] = []
        if caller is None:
            budgets = [(None, budget) for budget in self._in_all]
        for name, key in ApiKeys(self._redis).all().items():
            if caller in (None, name):
                budgets += [(name, budget) for budget in key.budgets]
        return self._measure(budgets, now)

    def check(
        self,
        jobs: Sequence[Job],
        idempotency_keys: Sequence[IdempotencyKey | None],
        own: Iterable[Budget],
        now: datetime,
    ) -> None:
        """Raise BudgetExceededError for new jobs of one caller that must not be accepted.

        `own` has the budgets of the caller's key. One job that costs more than a budget is always
        refused: it would wait forever. With `BUDGET_EXCEEDED=refuse`, so is what does not fit at
        present. Jobs whose idempotency key is known are not paid again.
        """
        caller = jobs[0].submitted_by if jobs else ""
        budgets: list[tuple[str | None, Budget]] = [(None, budget) for budget in self._in_all]
        budgets += [(caller, budget) for budget in own]
        uses = self._measure(budgets, now)
        if next(self._find_excess(uses, jobs, now), None):
            new = self._drop_known(jobs, idempotency_keys)
            for error in self._find_excess(uses, new, now):
                raise error

    def _find_excess(
        self, uses: Iterable[BudgetUse], jobs: Sequence[Job], now: datetime
    ) -> Iterator[BudgetExceededError]:
        costs = [estimate_cost(job) for job in jobs]
        for use in uses:
            needed = [cost.get(use.budget.unit, 0) for cost in costs]
            if max(needed, default=0) > use.budget.amount:
                yield BudgetExceededError(f"one job costs more than {_describe(use)} has in all")
            elif self._refuses and sum(needed) > max(0, use.left):
                fits_later = sum(needed) <= use.budget.amount
                wait_s = round((use.resets_at - now).total_seconds()) if fits_later else None
                resets = f"it resets at {use.resets_at:%Y-%m-%dT%H:%M:%SZ}"
                yield BudgetExceededError(f"{_describe(use)} is used up: {resets}", wait_s)

    def _drop_known(
        self, jobs: Sequence[Job], idempotency_keys: Sequence[IdempotencyKey | None]
    ) -> list[Job]:
        with self._redis.pipeline(transaction=False) as pipe:
            for key in idempotency_keys:
                pipe.exists(keys.idempotency_key(key.key if key else ""))
            known = pipe.execute()
        return [job for job, is_known in zip(jobs, known, strict=True) if not is_known]

    def _measure(
        self, budgets: Sequence[tuple[str | None, Budget]], now: datetime
    ) -> list[BudgetUse]:
        if not budgets:
            return []
        periods = {kind: find_period(kind, now) for kind in PERIODS}
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hvals(money_keys.RESERVED)
            for caller, budget in budgets:
                period = periods[budget.period].name
                name = EVERYONE if caller is None else quote_name(caller)
                pipe.hget(money_keys.spent(period), f"{budget.unit}|{name}")
                notice = f"budget_exhausted|{budget.unit}|{name}|{budget.amount}|{budget.period}"
                pipe.hexists(money_keys.budget_notices(period), notice)
            reservations, *found = pipe.execute()
        reserved = _sum_reserved(reservations)
        return [
            BudgetUse(
                budget=budget,
                caller=caller,
                spent=int(spent or 0),
                reserved=reserved[budget.unit, caller],
                resets_at=periods[budget.period].ends_at,
                is_exhausted=bool(is_exhausted),
            )
            for (caller, budget), spent, is_exhausted in zip(
                budgets, found[::2], found[1::2], strict=True
            )
        ]


def _sum_reserved(reservations: Iterable[bytes]) -> Counter[tuple[str, str | None]]:
    sums: Counter[tuple[str, str | None]] = Counter()
    for text in reservations:
        # A damaged entry is deleted when jobs are leased, as what it reserves is unknown.
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            each = json.loads(text)
            for unit, amount in each["cost"].items():
                sums[unit, None] += int(amount)
                sums[unit, unquote(each["caller"])] += int(amount)
    return sums


def _describe(use: BudgetUse) -> str:
    of = f"{PREFIX}BUDGETS" if use.caller is None else f"the API key {use.caller}"
    return f"the budget {use.budget} of {of}"


def dump_periods(now: datetime) -> str:
    """Return the present day and month as `lease_submits` reads them."""
    periods: dict[str, Any] = {}
    for kind in PERIODS:
        name, ends_at = find_period(kind, now)
        periods[kind] = {"name": name, "ends_at": ends_at.timestamp()}
    return json.dumps(periods)


def log_notices(notices: bytes) -> None:
    """Log each budget that is nearly or wholly used, as `lease_submits` found it."""
    for notice in json.loads(notices or "[]"):
        event, unit, caller, amount, kind = notice.split("|")
        budget = Budget(amount=int(amount), unit=unit, period=kind)
        log.warning(event, budget=str(budget), caller=unquote(caller))
