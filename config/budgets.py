"""Budgets: how much may be spent in a day or a month, in dollars or in credits of an account."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

from ..field_types import COMMAS
from ..providers import accounts

PeriodKind = Literal["day", "month"]
PERIODS: tuple[PeriodKind, ...] = ("day", "month")
USD = "usd"

_BUDGET = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([a-z]+)/([a-z]+)")


class Period(NamedTuple):
    """A day or a month in UTC."""

    name: str
    """`2026-11-28` or `2026-11`."""
    ends_at: datetime


class Budget(BaseModel):
    """The maximum to be spent in every day or month."""

    model_config = ConfigDict(frozen=True)

    amount: int
    """In millionths of the unit."""
    unit: str
    """`usd`, or the name of an account, whose credits are meant."""
    period: PeriodKind

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the budget in `20usd/day`; raises ValueError."""
        found = _BUDGET.fullmatch(text)
        units = list_units()
        amount = int(Decimal(found[1]).scaleb(6)) if found else 0
        if not found or not amount or found[2] not in units or found[3] not in PERIODS:
            raise ValueError(
                f"{text!r} is not a budget: give AMOUNT, UNIT/PERIOD without a space, such as "
                f"20usd/day or 2.5usd/month; units: {', '.join(units)}; periods: day, month"
            )
        return cls.model_validate({"amount": amount, "unit": found[2], "period": found[3]})

    def __str__(self) -> str:
        return f"{Decimal(self.amount).scaleb(-6).normalize():f}{self.unit}/{self.period}"


def list_units() -> list[str]:
    """Return every unit that a budget can have."""
    return [USD, *sorted(account.name for account in accounts())]


def find_period(kind: PeriodKind, at: datetime) -> Period:
    """Return the day or the month of a time in UTC."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "day":
        return Period(f"{day:%Y-%m-%d}", day + timedelta(days=1))
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return Period(f"{day:%Y-%m}", next_month)


def _parse(value: Any) -> Any:
    return Budget.parse(value) if isinstance(value, str) else value


BudgetList = Annotated[tuple[Annotated[Budget, BeforeValidator(_parse)], ...], *COMMAS]
"""A comma-separated list of budgets; each of them must hold."""
