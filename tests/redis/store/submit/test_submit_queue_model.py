"""Limits, order and ledger hold in any order of leases, answers, losses and cancellations."""

from collections import Counter
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from imagequeue.jobs.charge import Charged
from imagequeue.jobs.job import IN_FLIGHT, Job, State
from imagequeue.store.jobs import Store
from imagequeue.store.money.ledger import Ledger
from imagequeue.store.submit.queue import SPACING, Quota, SubmitQueue
from support import submits
from support.clock import Clock

TASKS, WINDOW_S, MAX_IN_FLIGHT, CALLER_MAX = 3, 10, 4, 5
QUOTA = Quota(("main", "spare"), TASKS, WINDOW_S, MAX_IN_FLIGHT)
PRICE = 4_000_000
MAX_JOBS = 30
SPACING_S = 1.01 * SPACING * WINDOW_S / TASKS
OUTCOMES = (State.WAITING, State.QUEUED, State.FAILED, State.UNCONFIRMED, State.DOWNLOADING)


class Machine(RuleBasedStateMachine):
    """One submit queue, whose jobs a provider counts at any time while their requests are out."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        client.flushdb()
        self.clock, self.store = Clock(), Store(client)
        self.queue = SubmitQueue(
            client, submits.LEASE_S, {"kie": QUOTA}, caller_max_in_flight=CALLER_MAX
        )
        self.ledger = Ledger(client)
        self.jobs: list[str] = []
        self.leased: list[str] = []
        self.out: dict[str, str] = {}
        self.counted: dict[str, list[float]] = {"main": [], "spare": []}

    @rule(
        count=st.integers(1, 9),
        caller=st.sampled_from("ab"),
        priority=st.sampled_from(["high", "normal"]),
    )
    def add(self, count: int, caller: str, priority: str) -> None:
        if len(self.jobs) < MAX_JOBS:
            fields: dict[str, Any] = {"submitted_by": caller, "priority": priority}
            self.jobs += submits.add(self.store, self.clock, count, estimate=PRICE, **fields)

    @initialize()
    def begin(self) -> None:
        self.add(9, "a", "normal")
        self.add(9, "b", "normal")

    @rule(rounds=st.integers(3, 8), is_counted_first=st.booleans(), sent=st.integers(0, 8))
    def work(self, rounds: int, is_counted_first: bool, sent: int) -> None:
        """Sweeps, each when the spacing between two permits has passed, and what workers send."""
        for _ in range(rounds):
            self.leased += self.queue.lease(self.clock(), 8).job_ids
            self.clock.advance(SPACING_S)
        self.send(sent, is_counted_first)

    @rule(count=st.integers(1, 8), is_counted_first=st.booleans())
    def send(self, count: int, is_counted_first: bool) -> None:
        """Workers send what messages named, if it has a permit and is still queued."""
        for _ in range(min(count, len(self.leased))):
            self.send_one(self.leased.pop(0), is_counted_first)

    def send_one(self, job_id: str, is_counted_first: bool) -> None:
        permit = self.queue.get_permit(job_id, self.clock())
        job = self.store.get(job_id)
        if permit is None or job.state is not State.QUEUED:
            return
        key, submissions = permit.account_key, job.submissions + 1
        submits.start(self.store, self.clock, job_id, account_key=key, submissions=submissions)
        self.out[job_id] = key
        if is_counted_first:
            self.count(job_id)

    def count(self, job_id: str) -> None:
        if key := self.out.pop(job_id, None):
            self.counted[key].append(self.clock().timestamp())

    @rule(count=st.integers(1, 8), to=st.sampled_from(OUTCOMES))
    def answer(self, count: int, to: State) -> None:
        for job in self.find(State.SUBMITTING)[:count]:
            self.count(job.id)
            submits.move(self.store, self.clock, job.id, to)

    @rule(data=st.data(), to=st.sampled_from([State.DOWNLOADING, State.FAILED]))
    def finish(self, data: st.DataObject, to: State) -> None:
        if found := self.find(State.WAITING, State.UNCONFIRMED):
            submits.move(self.store, self.clock, data.draw(st.sampled_from(found)).id, to)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if found := self.find(State.QUEUED):
            submits.move(
                self.store, self.clock, data.draw(st.sampled_from(found)).id, State.CANCELLED
            )

    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        if found := [job for job in self.find(State.QUEUED) if job.id in self.leased]:
            submits.put_back(self.store, self.clock, data.draw(st.sampled_from(found)).id)

    @rule(seconds=st.sampled_from([0.3, 4, 7, 9.8, 26]))
    def advance(self, seconds: float) -> None:
        """Requests time out before their lease ends: later, the provider counts nothing."""
        self.clock.advance(seconds)
        if seconds > submits.LEASE_S:
            for job in self.find(State.SUBMITTING):
                self.out.pop(job.id, None)
                submits.move(self.store, self.clock, job.id, State.UNCONFIRMED)

    def find(self, *states: State) -> list[Job]:
        return [job for job in self.store.get_many(self.jobs) if job.state in states]

    @invariant()
    def no_window_has_more_than_its_tasks(self) -> None:
        for times in self.counted.values():
            for first, last in zip(times, times[TASKS:], strict=False):
                assert last - first >= WINDOW_S

    @invariant()
    def no_more_are_in_flight_than_keys_and_callers_may(self) -> None:
        jobs = self.find(*IN_FLIGHT)
        assert all(n <= MAX_IN_FLIGHT for n in Counter(job.account_key for job in jobs).values())
        assert all(n <= CALLER_MAX for n in Counter(job.submitted_by for job in jobs).values())

    @invariant()
    def ledger_has_what_the_jobs_cost(self) -> None:
        entries: Counter[str] = Counter()
        for job_id, entry in self.ledger.iter_entries():
            entries[job_id] += entry.get("credits", 0)
        for job in self.store.get_many(self.jobs):
            charged = [cost for cost in job.costs if cost.charged is not Charged.NO]
            assert entries[job.id] == PRICE * len(charged)

    def teardown(self) -> None:
        """Every job leaves in the end: none is lost, and no caller starves."""
        for _ in range(2 * MAX_JOBS):
            self.advance(26)
            for job in self.find(State.WAITING, State.UNCONFIRMED):
                submits.move(self.store, self.clock, job.id, State.DOWNLOADING)
            for job_id in self.queue.lease(self.clock(), 99).job_ids:
                if self.store.get(job_id).state is State.QUEUED:
                    submits.answer(self.store, self.clock, job_id)
            if not self.find(State.QUEUED):
                return
        raise AssertionError(f"{len(self.find(State.QUEUED))} jobs are never sent")


@pytest.mark.timeout(300)
def test_limits_order_and_ledger_hold_in_any_order(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        run_state_machine_as_test(
            lambda: Machine(client),
            settings=settings(
                max_examples=10,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
