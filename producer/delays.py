"""Delays of new jobs."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from ..errors import InvalidRequestError, Problem
from ..jobs.build import TOO_LATE


def add_delay(now: datetime, delay: timedelta, key: str | None) -> datetime:
    """Return the time after a delay; raises InvalidRequestError if there is an idempotency key."""
    problem = TOO_LATE
    if key is not None:
        problem = (
            "must be a time if there is an idempotency key: with a duration, each repetition is "
            "another request"
        )
    else:
        with suppress(OverflowError):
            return now + delay
    raise InvalidRequestError([Problem("not_before", problem)])
