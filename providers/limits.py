"""How much one key of an account may do: what the vendor documents, or a setting says instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

OFF = "off"
_RATE = re.compile(r"([0-9]{1,6})/([0-9]{1,6}(?:\.[0-9]{1,3})?)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderLimits:
    """The limits of one key, over all jobs of a quota; 0 tasks mean no limit."""

    tasks: int = 0
    """The maximum of submissions in any `seconds`."""
    seconds: float = 1.0
    max_in_flight: int = 0
    """The maximum of tasks that were accepted and have not finished."""
    lookups_per_s: int = 0
    """The maximum of status requests in a second."""


def _parse_rate(value: Any) -> Any:
    """Turn `20/10` into (20, 10.0), and `off` into a rate without limit."""
    if not isinstance(value, str) or not value:
        return value or None
    if value in (OFF, "0"):
        return 0, 1.0
    found = _RATE.fullmatch(value)
    if not found or not float(found[2]):
        raise ValueError(f"must be TASKS/SECONDS, such as 20/10, or {OFF}")
    return int(found[1]), float(found[2])


def _parse_count(value: Any) -> Any:
    """Turn `100` into itself, and `off` into 0."""
    if value in ("", None):
        return None
    if value == OFF:
        return 0
    if not re.fullmatch(r"[0-9]{1,6}", str(value)):
        raise ValueError(f"must be a whole number, or {OFF}")
    return int(value)


RateLimit = Annotated[tuple[int, float] | None, NoDecode, BeforeValidator(_parse_rate)]
MaxCount = Annotated[int | None, BeforeValidator(_parse_count)]
