"""What `lease_submits` needs to know about budgets, and what it reports of them."""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import unquote

from ..config.budgets import PERIODS, Budget, find_period
from ..config.logging import get_logger

log = get_logger(__name__)


def dump_periods(now: datetime) -> str:
    """Return the present day and month as `lease_submits` reads them."""
    periods = {kind: find_period(kind, now) for kind in PERIODS}
    return json.dumps(
        {
            kind: {"name": period.name, "ends_at": period.ends_at.timestamp()}
            for kind, period in periods.items()
        }
    )


def log_notices(notices: bytes) -> None:
    """Log each budget that is nearly or wholly used, as `lease_submits` found it."""
    for notice in json.loads(notices or "[]"):
        event, unit, caller, amount, kind = notice.split("|")
        budget = Budget(amount=int(amount), unit=unit, period=kind)
        log.warning(event, budget=str(budget), caller=unquote(caller))
