"""The ledger: what was spent, summed by day, and each entry that the sums are made of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

import redis

from ...config.budgets import USD, list_units
from ...jobs.cost import MICRO
from ..decoding import decode_numbers
from ..history.job_archive import ArchiveOpener, no_archive
from . import keys as money_keys
from .ledger_entries import Amounts, Group

DIMENSIONS = ("day", *Group._fields)
MAX_DAYS = 400
PAGE = 500


class CostRow(NamedTuple):
    """What was spent in one group; corrections of earlier days may make amounts negative."""

    group: dict[str, str]
    amounts: Amounts

    def to_fields(self) -> dict[str, Any]:
        """Return the row with amounts in dollars, and in credits if it is of one account."""
        amounts = self.amounts
        return {
            **self.group,
            "tasks": amounts.tasks,
            "usd": amounts.usd / MICRO,
            "estimated_usd": amounts.estimated_usd / MICRO,
            "unknown_usd": amounts.unknown_usd / MICRO,
            "credits": amounts.credits / MICRO if "provider" in self.group else None,
            "unpriced": amounts.unpriced,
        }


class Ledger:
    """Reads what the transitions of jobs have written."""

    def __init__(self, client: redis.Redis, open_archive: ArchiveOpener = no_archive) -> None:
        self._redis = client
        self._open_archive = open_archive

    def sum_days(
        self, since: date, until: date, by: Sequence[str], caller: str | None = None
    ) -> list[CostRow]:
        """Return the sums of the days from `since` to `until`, both included, by DIMENSIONS.

        With `caller`, only of its jobs. Raises ValueError for more than 400 days.
        """
        days = _list_days(since, until)
        with self._redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hgetall(money_keys.costs_of_day(day))
            found = pipe.execute()
        sums: defaultdict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for day, fields in zip(days, found, strict=True):
            for field, amount in decode_numbers(fields).items():
                *quoted, name = field.split("|")
                if len(quoted) != len(Group._fields):
                    continue
                group = {"day": day, **Group(*map(unquote, quoted))._asdict()}
                if caller in (None, group["caller"]):
                    sums[tuple(group[each] for each in by)][name] += amount
        rows = [
            CostRow(dict(zip(by, values, strict=True)), _to_amounts(amounts))
            for values, amounts in sorted(sums.items())
        ]
        return [row for row in rows if any(row.amounts)]

    def sum_batch(self, batch_id: str) -> Amounts:
        """Return what the jobs of a batch cost so far."""
        found: Any = self._redis.hgetall(money_keys.costs_of_batch(batch_id))
        return _to_amounts(decode_numbers(found))

    def iter_entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the job and the content of each entry, newest first."""
        below, last = None, "+"
        while found := cast(Any, self._redis.xrevrange(money_keys.LEDGER, last, "-", count=PAGE)):
            for _, fields in found:
                yield fields[b"job"].decode(), json.loads(fields[b"entry"])
            below = found[-1][0].decode()
            last = f"({below}"
        if archive := self._open_archive():
            for _, job_id, entry in archive.iter_entries(below):
                yield job_id, json.loads(entry)

    def get_spent(self, period: str, caller: str = "*") -> dict[str, int]:
        """Return what was spent in a day or month, in all or by a caller, by unit."""
        units = list_units()
        fields = [f"{unit}|{caller}" for unit in units]
        found: Any = self._redis.hmget(money_keys.spent(period), fields)
        known = {unit.encode(): n or b"0" for unit, n in zip(units, found, strict=True)}
        return dict.fromkeys(units, 0) | decode_numbers(known)

    def get_spent_by_caller(self, period: str) -> dict[str, int]:
        """Return what was spent in a day or month by caller, in micro-dollars."""
        found: Any = self._redis.hgetall(money_keys.spent(period))
        sums = {tuple(field.split("|")): spent for field, spent in decode_numbers(found).items()}
        return {
            unquote(caller): spent
            for (unit, caller), spent in sums.items()
            if unit == USD and caller != "*"
        }


def _to_amounts(sums: Mapping[str, int]) -> Amounts:
    """Return the sums that this process knows; a later version may have stored others."""
    return Amounts(**{name: sums[name] for name in Amounts._fields if name in sums})


def _list_days(since: date, until: date) -> list[str]:
    count = (until - since).days + 1
    if not 0 < count <= MAX_DAYS:
        raise ValueError(f"give a range of 1 to {MAX_DAYS} days, the first one first")
    return [(since + timedelta(days=n)).isoformat() for n in range(count)]
