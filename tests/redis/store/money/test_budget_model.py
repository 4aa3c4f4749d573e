"""No interleaving of steps, crashes and midnights spends or reserves more than a budget."""

from decimal import Decimal

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from imagequeue.config.budgets import Budget, find_period
from imagequeue.jobs.job import Job, State
from imagequeue.store import keys
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.money.ledger import Ledger
from support.budgets import LEASE_S, Shop
from support.clock import Clock
from support.submits import put_back

IN_ALL = ("9kie/day", "0.06usd/month")
OF_A = ("4kie/day", "0.04usd/month")
OUTCOMES = [State.WAITING, State.DOWNLOADING, State.UNCONFIRMED, State.QUEUED, State.FAILED]
choices = st.integers(0, 1000)


class Machine(RuleBasedStateMachine):
    """Two callers, one of them with budgets of its own."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        client.flushdb()
        self.clock = Clock()
        self.shop = Shop(client, self.clock, *IN_ALL)
        of_a = tuple(map(Budget.parse, OF_A))
        ApiKeys(client).add("a", Limits(), self.clock(), budgets=of_a)
        for caller in "abab":
            self.shop.add(1.5, caller)
        self.shop.lease()

    def list_jobs(self, state: State) -> list[Job]:
        return list(self.shop.store.list(state, limit=500).jobs)

    def list_leased(self) -> list[Job]:
        permits = self.shop.redis.hkeys(keys.PERMITS)
        return [job for job in self.list_jobs(State.QUEUED) if job.id.encode() in permits]

    @rule(caller=st.sampled_from("ab"), price=st.sampled_from([None, 0.5, 1, 2, 3.7]))
    def add(self, caller: str, price: float | None) -> None:
        self.shop.add(price, caller)

    @rule(max_jobs=st.integers(1, 4))
    def lease(self, max_jobs: int) -> None:
        self.shop.lease(max_jobs)

    @rule(choice=choices)
    def receive_a_stray_message(self, choice: int) -> None:
        if jobs := self.list_jobs(State.QUEUED):
            self.shop.queue.get_permit(jobs[choice % len(jobs)].id, self.clock())

    @rule(choice=choices)
    def start(self, choice: int) -> None:
        if jobs := self.list_leased():
            self.shop.start(jobs[choice % len(jobs)].id)

    @rule(choice=choices, to=st.sampled_from(OUTCOMES))
    def answer(self, choice: int, to: State) -> None:
        if jobs := self.list_jobs(State.SUBMITTING):
            self.shop.move(jobs[choice % len(jobs)].id, to)

    @rule(choice=choices)
    def put_back(self, choice: int) -> None:
        if jobs := self.list_leased():
            put_back(self.shop.store, self.clock, jobs[choice % len(jobs)].id)

    @rule(choice=choices)
    def cancel(self, choice: int) -> None:
        if jobs := self.list_jobs(State.QUEUED):
            self.shop.move(jobs[choice % len(jobs)].id, State.CANCELLED)

    @rule(choice=choices)
    def fail_without_charge(self, choice: int) -> None:
        if jobs := self.list_jobs(State.WAITING):
            self.shop.move(jobs[choice % len(jobs)].id, State.FAILED, Decimal(0))

    @rule(seconds=st.sampled_from([1, LEASE_S + 1, 43_200, 86_400]))
    def lose_messages(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def no_budget_is_exceeded(self) -> None:
        ledger = Ledger(self.shop.redis)
        reserved = self.list_reserving()
        for caller, texts in (("*", IN_ALL), ("a", OF_A)):
            for budget in map(Budget.parse, texts):
                period = find_period(budget.period, self.clock())
                used = ledger.get_spent(period.name, caller)[budget.unit]
                credit = 5_000 if budget.unit == "usd" else 1_000_000
                for job in reserved:
                    if caller in ("*", job.submitted_by) and job.estimate:
                        used += job.estimate * credit // 1_000_000
                assert used <= budget.amount

    @invariant()
    def exactly_the_jobs_that_may_be_sent_are_reserved(self) -> None:
        priced = {job.id for job in self.list_reserving() if job.estimate}
        assert self.shop.list_reserved() == priced

    def list_reserving(self) -> list[Job]:
        return self.list_leased() + self.list_jobs(State.SUBMITTING)

    def teardown(self) -> None:
        """Let every job end: all reservations are returned then."""
        for state in (State.QUEUED, State.SUBMITTING):
            for job in self.list_jobs(state):
                to = State.CANCELLED if state is State.QUEUED else State.FAILED
                self.shop.move(job.id, to)
        assert self.shop.list_reserved() == set()


def test_no_budget_is_exceeded_in_any_order(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    run_state_machine_as_test(
        lambda: Machine(client),
        settings=settings(
            max_examples=6,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
