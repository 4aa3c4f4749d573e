"""Every choice made when a sandbox starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How one sandbox behaves; times are sandbox seconds."""

    speed: float = 1.0
    """Sandbox seconds in a real second."""
    latency_s: float = 2.0
    """How long a task takes, unless its prompt says otherwise."""
    kie_limit: int = 20
    """New kie tasks that a key may start in 10 seconds; 0 is no limit."""
    acedata_limit: int = 0
    """The same for AceData."""
    credit: float = 1_000_000_000
    """The opening credit of each key of an account."""
    real_429: bool = False
    """kie's rate limit is an HTTP 429, as its text says; else HTTP 200 around a code 429."""
    only_edit: bool = False
    """AceData refuses the action `edits` and takes `edit` alone."""
    kie_webhook_hmac_key: str = ""
    """Signs kie's callbacks; empty leaves them unsigned."""
    faults: Mapping[str, float] = field(default_factory=dict)
    """Rates of faults at the start, by the names in `faults/rates.py`."""
    seed: int = 0
    """Of the dice behind those rates."""
    log: TextIO | None = None
    """Every accepted submission is appended here as one line of JSON."""
