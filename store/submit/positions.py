"""Where queued jobs stand, and what each of them waits for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import redis
from pydantic import BaseModel, Field

from ...config.queues import Queue
from ...config.settings import Settings
from ...jobs.job import Job, State, add_seconds
from .. import keys
from ..money import keys as money_keys
from ..money.budgets import dump_periods
from ..scripts import register_script
from .pauses import Pause
from .queue import dump_limits, read_quotas


class Obstacle(StrEnum):
    """What a queued job waits for."""

    TURN = "turn"
    """Jobs before it; there is room for the first of them."""
    LIMIT = "limit"
    """The rate limit of the provider's keys."""
    IN_FLIGHT = "in_flight"
    """Jobs that are at the provider: of the key, of the caller or in all."""
    TIME = "time"
    """Its `not_before`, or the `backoff` after a failure."""
    PAUSE = "pause"
    """The end of a pause of the key, the provider or everything."""
    KEY = "key"
    """A provider key: none is set that may be used."""
    BUDGET = "budget"
    """The next day or month of a budget that is used up."""
    JOB = "job"
    """A job that has to succeed before it; `reason` is its id."""
    WORKER = "worker"
    """A worker that sends it: it has its permit."""


class QueuePosition(BaseModel):
    """Where a queued job stands."""

    position: int | None = Field(
        description="How many jobs are sent before it, as far as can be said now."
    )
    waits_for: Obstacle
    reason: str | None = Field(None, description="Why, where the word leaves it open.")
    wait_s: float | None = Field(None, description="An estimate of how long; null if unknown.")
    starts_at: datetime | None = Field(
        None, description="When it is likely to start; null if unknown."
    )

    def redact(self, pauses: Iterable[Pause]) -> QueuePosition:
        """Return what every caller may read, given the pauses in force."""
        if self.waits_for is not Obstacle.PAUSE or self.reason is None:
            return self
        name = self.reason.partition(": ")[0]
        known = {str(pause): str(pause.redact()) for pause in pauses}
        # It may have ended meanwhile.
        return self.model_copy(update={"reason": known.get(self.reason, name)})


class Positions:
    """Measures where queued jobs stand, in one round trip for many."""

    def __init__(self, client: redis.Redis, limits: str) -> None:
        """`limits` are those of the submit queue, from `dump_limits`."""
        self._limits = limits
        self._measure = register_script(client, "measure_positions")

    def measure(self, jobs: Sequence[Job], now: datetime) -> dict[str, QueuePosition]:
        """Return the position of each queued job by its id; others are left out."""
        queued = [job for job in jobs if job.state is State.QUEUED]
        if not queued:
            return {}
        found: Any = self._measure(
            keys=[
                keys.due(Queue.SUBMIT),
                keys.PLACES,
                keys.PERMITS,
                keys.API_KEYS,
                keys.PAUSES,
                money_keys.RESERVED,
                keys.RETENTION,
            ],
            args=[now.timestamp(), self._limits, dump_periods(now), *(job.id for job in queued)],
        )
        return {
            job.id: _to_position(job, json.loads(each), now)
            for job, each in zip(queued, found, strict=True)
        }


def open_positions(client: redis.Redis, settings: Settings) -> Positions:
    """Return the positions within the limits of these settings."""
    limits = dump_limits(
        read_quotas(settings),
        settings.max_in_flight,
        settings.caller_max_in_flight,
        settings.budgets,
    )
    return Positions(client, limits)


def _to_position(job: Job, found: dict[str, Any], now: datetime) -> QueuePosition:
    waits_for, reason, ahead = Obstacle(found["waits_for"]), found.get("reason"), found.get("ahead")
    if waits_for is Obstacle.TIME:
        is_planned = job.not_before is not None and job.not_before > now
        reason = "not_before" if is_planned else "backoff"
    wait_s = _estimate_wait_s(waits_for, found, now)
    return QueuePosition(
        position=ahead,
        waits_for=waits_for,
        reason=reason,
        wait_s=wait_s,
        starts_at=None if wait_s is None else add_seconds(now, wait_s),
    )


def _estimate_wait_s(waits_for: Obstacle, found: dict[str, Any], now: datetime) -> float | None:
    """Return how long it takes within the rate limits; None if that depends on something else."""
    if waits_for in (Obstacle.IN_FLIGHT, Obstacle.KEY, Obstacle.JOB):
        return None
    ends_at = found.get("ends_at")
    if waits_for is Obstacle.PAUSE and ends_at is None:
        return None
    ahead, seconds_each = found.get("ahead", 0), found.get("seconds_each")
    if ahead and seconds_each is None:
        return None
    until_s: float = ends_at - now.timestamp() if ends_at else 0.0
    return round(max(0.0, until_s) + float(ahead * (seconds_each or 0.0)), 1)
