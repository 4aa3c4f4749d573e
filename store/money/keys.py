"""Names of the keys in Redis of what jobs cost: the ledger, its sums, and budgets."""

from __future__ import annotations

LEDGER = "iq:ledger"
"""Stream of what each submission cost, in JSON: entries are added and never changed."""

RESERVED = "iq:reserved"
"""Hash: what each job may cost that has a permit and no answer yet, as JSON: caller, cost."""


def costs_of_day(day: str) -> str:
    """Hash: the sums of a day, an ISO date, by `{group}|{amount}`."""
    return f"iq:costs:{day}"


def costs_of_batch(batch_id: str) -> str:
    """Hash: the sums of a batch, by the amount's name."""
    return f"iq:costs:{batch_id}"


def spent(period: str) -> str:
    """Hash: what was spent in a day or month, by `{unit}|*` and `{unit}|{caller}`.

    The unit is `usd` or the name of an account, whose credits are meant; in millionths.
    """
    return f"iq:spent:{period}"


def budget_notices(period: str) -> str:
    """Hash: what was logged about budgets in a day or month, each once.

    A field is `{event}|{unit}|{caller}|{amount}|{period kind}`.
    """
    return f"iq:budgets:noticed:{period}"
