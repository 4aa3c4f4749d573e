"""The order in which queued jobs are sent, and the limits within which they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import redis

from ...config.budgets import Budget
from ...config.queues import Queue
from ...config.settings import Settings
from ...jobs.job import Job, add_seconds
from ...providers import list_services
from ...providers.request import PRIORITIES
from .. import keys
from ..decoding import decode_ids
from ..money import keys as money_keys
from ..money.budgets import dump_periods, log_notices
from ..scripts import register_script
from .places import dump_place

# Between two permits of a limited key, as a part of the time that its limit allows for one task.
# Jobs that are sent at the same instant overtake each other.
SPACING = 0.1


class Quota(NamedTuple):
    """The limits that a group of jobs shares, for each of the account's keys; 0 for none."""

    keys: tuple[str, ...]
    """The names of the keys that may be used for these jobs."""
    tasks: int = 0
    seconds: float = 0.0
    """At most `tasks` submissions in any `seconds`."""
    max_in_flight: int = 0


class LeasedSubmits(NamedTuple):
    """The jobs that may be sent now, and when to look again."""

    job_ids: list[str]
    next_at: datetime | None
    """When the next permit is free, as far as that is known."""
    starts: int
    """Unfinished starts of the first job, if its step was started."""


class Permit(NamedTuple):
    """The right to send one job with one key."""

    quota: str
    account_key: str
    caller: str
    send: str
    """The submission in the window of the key."""


class SubmitQueue:
    """Queued jobs leave by priority, in turn between callers, and each caller's in order.

    Each is leased with a permit: one submission within the sliding window of an account key, and
    one job in flight. The permit is counted from the provider's answer on, so that the provider
    never counts more than the limit in any window. With the permit, the job's estimate is reserved
    within every budget, until the transition that records the outcome. A job whose provider is
    down is leased without a permit if it has a fallback: a worker only changes its provider.
    """

    def __init__(
        self,
        client: redis.Redis,
        lease_s: float,
        quotas: Mapping[str, Quota],
        max_in_flight: int = 0,
        caller_max_in_flight: int = 0,
        budgets: Sequence[Budget] = (),
    ) -> None:
        self._redis = client
        self._lease_s = lease_s
        self._quotas = quotas
        self._limits = dump_limits(quotas, max_in_flight, caller_max_in_flight, budgets)
        self._lease = register_script(client, "lease_submits")

    def lease(
        self, now: datetime, max_jobs: int, *, wanted: str = "", finished: str = ""
    ) -> LeasedSubmits:
        """Lease jobs that may be sent now, in order, or only the `wanted` one before its turn.

        With `finished`, the step of that job is finished, and that of the first leased one started.
        """
        next_at, starts, notices, *leased = self._lease(
            keys=[
                keys.due(Queue.SUBMIT),
                keys.PLACES,
                keys.PERMITS,
                keys.STARTS,
                keys.GRANTED,
                keys.API_KEYS,
                keys.PAUSES,
                money_keys.RESERVED,
                keys.RETENTION,
            ],
            args=[
                now.timestamp(),
                add_seconds(now, self._lease_s).timestamp(),
                max_jobs,
                self._limits,
                wanted,
                finished,
                keys.step("", Queue.SUBMIT),
                dump_periods(now),
            ],
        )
        log_notices(notices)
        return LeasedSubmits(
            decode_ids(leased),
            datetime.fromtimestamp(float(next_at), UTC) if next_at else None,
            starts,
        )

    def has_ready(self) -> bool:
        """Whether any job waits for a permit."""
        lines = [keys.lines(quota, p) for quota in self._quotas for p in PRIORITIES]
        return bool(lines and self._redis.exists(*lines))

    def get_permit(self, job_id: str, now: datetime) -> Permit | None:
        """Return the permit of a job; without one, try to get it before the job's turn.

        A job without one was leased for its fallback, or named by a message of an older process.
        """
        permit = _parse_permit(self._redis.hget(keys.PERMITS, job_id))
        if permit is None:
            self.lease(now, 1, wanted=job_id)
            permit = _parse_permit(self._redis.hget(keys.PERMITS, job_id))
        return permit

    def extend_lease(self, job_id: str, permit: Permit, until: datetime) -> None:
        """Extend the lease of a job, and count it within its key's window as long as that lasts."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.due(Queue.SUBMIT), {job_id: until.timestamp()}, xx=True)
            sent = keys.sent(permit.quota, permit.account_key)
            pipe.zadd(sent, {permit.send: until.timestamp()}, xx=True)
            pipe.execute()

    def return_permit(self, job_id: str) -> None:
        """Return the permit of a queued job whose record cannot be read, and what is reserved.

        Of every other job, the transition that ends its lease does it.
        """
        stored: Any = self._redis.hget(keys.PERMITS, job_id)
        permit = _parse_permit(stored)
        if permit is None or not self._redis.hexists(keys.PLACES, job_id):
            return
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.PERMITS, job_id)
            pipe.hdel(money_keys.RESERVED, job_id)
            pipe.srem(keys.in_flight_at(permit.quota, permit.account_key), job_id)
            pipe.srem(keys.in_flight_by(permit.caller), job_id)
            pipe.execute()

    def has_place(self, job: Job) -> bool:
        """Whether the stored place of a queued job is its own.

        It is not if an earlier release has queued the job, or if the entry is damaged.
        """
        stored: Any = self._redis.hget(keys.PLACES, job.id)
        return stored is not None and stored.decode(errors="replace") == dump_place(job)


def _parse_permit(stored: Any) -> Permit | None:
    """Return a stored permit; None for a damaged one."""
    try:
        permit = json.loads(stored or b"")
        quota, _, key = permit["at"].rpartition(":")
        return Permit(quota, key, unquote(permit["caller"]), permit["send"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def open_submit_queue(client: redis.Redis, settings: Settings) -> SubmitQueue:
    """Return the submit queue with the limits and keys of these settings."""
    return SubmitQueue(
        client,
        settings.lease_s,
        read_quotas(settings),
        settings.max_in_flight,
        settings.caller_max_in_flight,
        settings.budgets,
    )


def read_quotas(settings: Settings) -> dict[str, Quota]:
    """Return the limits and usable keys of each quota, as these settings have them."""
    quotas = {}
    for provider in list_services():
        account = settings.account(provider.account)
        usable = tuple(key.name for key in account.keys if key.serves(provider.service))
        limits = settings.limits(provider)
        quotas[provider.quota] = Quota(usable, limits.tasks, limits.seconds, limits.max_in_flight)
    return quotas


def dump_limits(
    quotas: Mapping[str, Quota],
    max_in_flight: int = 0,
    caller_max_in_flight: int = 0,
    budgets: Sequence[Budget] = (),
) -> str:
    """Return the limits as `lease_submits` reads them."""
    return json.dumps(
        {
            "quotas": {
                name: {
                    **quota._asdict(),
                    "spacing": SPACING * quota.seconds / quota.tasks if quota.tasks else 0,
                }
                for name, quota in quotas.items()
            },
            "max_in_flight": max_in_flight,
            "caller_max_in_flight": caller_max_in_flight,
            "budgets": [budget.model_dump() for budget in budgets],
        }
    )
