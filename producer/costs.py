"""Reports of what was spent, for the command line and the HTTP API."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from ..errors import InvalidRequestError, Problem
from ..store.money.ledger import DIMENSIONS, CostRow, Ledger

DEFAULT_DAYS = 30


class CostRequest(NamedTuple):
    """What a report covers."""

    by: list[str]
    since: date | None = None
    until: date | None = None
    caller: str | None = None
    batch: str | None = None
    """Only the sum of this batch, over all days."""


def parse_dimensions(text: str) -> list[str]:
    """Return the dimensions in `day,caller`; raises InvalidRequestError for an unknown one."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or set(names) - set(DIMENSIONS):
        words = f"must be one or more of {', '.join(DIMENSIONS)}, comma-separated"
        raise InvalidRequestError([Problem("by", words)])
    return list(dict.fromkeys(names))


def report_costs(ledger: Ledger, today: date, request: CostRequest) -> list[CostRow]:
    """Return the sums of some days, by default the last 30; raises InvalidRequestError."""
    if request.batch is not None:
        return [CostRow({"batch": request.batch}, ledger.sum_batch(request.batch))]
    until = request.until or today
    since = request.since or until - min(timedelta(days=DEFAULT_DAYS - 1), until - date.min)
    try:
        return ledger.sum_days(since, until, request.by, request.caller)
    except ValueError as error:
        raise InvalidRequestError([Problem("since", str(error))]) from None
