"""Jobs of known price on their way through the submit queue, without workers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import redis

from imagequeue.config.budgets import Budget
from imagequeue.jobs.job import Job, State, add_seconds, new_job
from imagequeue.store.jobs import Store
from imagequeue.store.money import keys as money_keys
from imagequeue.store.submit.queue import Quota, SubmitQueue
from support.clock import Clock

LEASE_S = 25


class Shop:
    """Callers, their jobs and the provider: each step is one that workers do."""

    def __init__(self, client: redis.Redis, clock: Clock, *budgets: str) -> None:
        self.redis: Any = client
        self.store, self.clock = Store(client), clock
        self.queue = self.open_queue(*budgets)

    def open_queue(self, *budgets: str) -> SubmitQueue:
        given = [Budget.parse(each) for each in budgets]
        return SubmitQueue(self.redis, LEASE_S, {"kie": Quota(("main",))}, budgets=given)

    def add(self, price: float | None = 1, caller: str = "", **fields: Any) -> str:
        estimate = None if price is None else round(price * 1e6)
        given: dict[str, Any] = {"provider": "kie", "submitted_by": caller, "estimate": estimate}
        job = new_job(self.clock(), action="generate", delivery="poll", **given | fields)
        self.store.add([job])
        return job.id

    def lease(self, max_jobs: int = 100) -> Sequence[str]:
        return self.queue.lease(self.clock(), max_jobs).job_ids

    def start(self, job_id: str) -> None:
        """Record the intent to send a job that has a permit."""
        job = self.store.get(job_id)
        until = add_seconds(self.clock(), LEASE_S)
        sent = {"submissions": job.submissions + 1, "account_key": "main"}
        self.store.transition(
            job,
            lambda job: job.transition_to(State.SUBMITTING, "submit", self.clock(), until, **sent),
        )

    def move(self, job_id: str, to: State, cost: Decimal | None = None) -> Job:
        """Record what the provider answered, or with a `cost` what it reported later."""
        cause = "answer" if cost is None else "poll"
        return self.store.transition(
            self.store.get(job_id),
            lambda job: job.transition_to(to, cause, self.clock(), self.clock(), cost),
        )

    def send(self, job_id: str) -> None:
        """Send a job that is accepted at once."""
        self.start(job_id)
        self.move(job_id, State.WAITING)

    def send_all(self) -> Sequence[str]:
        leased = self.lease()
        for job_id in leased:
            self.send(job_id)
        return leased

    def list_reserved(self) -> set[str]:
        return {job_id.decode() for job_id in self.redis.hkeys(money_keys.RESERVED)}
