"""What a job costs, whatever happens to it, and what that adds to the ledger."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.jobs.charge import Charged
from imagequeue.jobs.cost import find_submission, put_cost, to_micro
from imagequeue.jobs.job import TRANSITIONS, Job, State, new_job
from imagequeue.store.money.ledger_entries import Amounts, _find_changes, _measure

NOW = datetime(2026, 11, 20, tzinfo=UTC)
CAUSES = ["answer", "poll", "callback", "refused", "no answer", "retry"]


def make_job(provider: str = "kie", estimate: int | None = 4_000_000) -> Job:
    return new_job(NOW, provider=provider, action="generate", delivery="poll", estimate=estimate)


def go(job: Job, *states: State, cause: str = "test", **fields: Any) -> Job:
    for state in states:
        if state is State.SUBMITTING:
            job = job.transition_to(state, cause, NOW, NOW, submissions=job.submissions + 1)
        else:
            job = job.transition_to(state, cause, NOW, NOW, **fields)
    return job


def measure(job: Job) -> Amounts:
    total = Amounts()
    for cost in job.costs:
        amounts = _measure(cost, Decimal("0.005"))
        total = Amounts(*(a + b for a, b in zip(total, amounts, strict=True)))
    return total


def test_accepted_job_costs_its_estimate() -> None:
    job = go(make_job(), State.SUBMITTING, State.WAITING)
    assert job.cost.model_dump() == {
        "credits": 4.0,
        "usd": 0.02,
        "estimated": True,
        "unpriced": 0,
    }


def test_refused_job_costs_nothing() -> None:
    job = go(make_job(), State.SUBMITTING, State.QUEUED, State.SUBMITTING)
    assert go(job, State.FAILED, cause="refused").cost.credits == 0


def test_what_the_provider_states_replaces_the_estimate() -> None:
    job = go(make_job(), State.SUBMITTING, State.WAITING)
    job = go(job, State.DOWNLOADING, cause="poll", cost=Decimal("3.5"))
    assert (job.cost.credits, job.cost.estimated) == (3.5, False)


@pytest.mark.parametrize(
    ("provider", "stated", "expected", "charged"),
    [
        ("kie", None, 4, "unknown"),
        ("kie", Decimal(0), 0, "no"),
        ("kie", Decimal(2), 2, "yes"),
        ("acedata-flux", None, 0, "no"),
    ],
)
def test_failed_task_costs_what_the_provider_charges(
    provider: str, stated: Decimal | None, expected: float, charged: str
) -> None:
    job = go(make_job(provider), State.SUBMITTING, State.WAITING)
    job = go(job, State.FAILED, cause="callback", cost=stated)
    assert job.cost.credits == expected
    assert [cost.charged for cost in job.costs] == [charged]


def test_unanswered_submission_is_perhaps_charged() -> None:
    job = go(make_job(), State.SUBMITTING, State.UNCONFIRMED)
    assert [cost.charged for cost in job.costs] == ["unknown"]
    assert measure(job).unknown_usd == measure(job).usd == 20_000
    assert measure(go(job, State.DOWNLOADING, cause="callback")).unknown_usd == 0


def test_paid_retry_costs_a_second_time() -> None:
    job = go(make_job(), State.SUBMITTING, State.UNCONFIRMED, State.QUEUED, State.SUBMITTING)
    job = go(job, State.WAITING)
    assert job.cost.credits == 8
    assert [cost.charged for cost in job.costs] == ["unknown", "yes"]


def test_task_without_a_price_is_counted() -> None:
    job = go(make_job(estimate=None), State.SUBMITTING, State.WAITING)
    assert (job.cost.credits, job.cost.unpriced) == (0, 1)
    job = go(job, State.DOWNLOADING, cost=Decimal(7))
    assert (job.cost.credits, job.cost.unpriced) == (7, 0)


def test_result_of_a_former_task_leaves_the_latest_unknown() -> None:
    job = go(make_job(), State.SUBMITTING, State.WAITING, task_id="first")
    job = go(job, State.FAILED, cause="gave up")
    job = go(job, State.QUEUED, task_id=None, former_tasks=("first",))
    job = go(job, State.SUBMITTING)
    job = go(job, State.DOWNLOADING, cause="callback", task_id="first", cost=Decimal(5))
    assert {cost.submission: (cost.charged, cost.credits) for cost in job.costs} == {
        1: ("yes", 5_000_000),
        2: ("unknown", 4_000_000),
    }


def test_late_acceptance_is_charged() -> None:
    job = go(make_job(), State.SUBMITTING, State.UNCONFIRMED, State.QUEUED)
    costs = put_cost(job, job.costs, 1, Charged.YES, "late")
    assert [(cost.charged, cost.task_id) for cost in costs] == [("yes", "late")]


def test_late_result_is_the_cost_of_the_submission_that_made_it() -> None:
    job = go(make_job(), State.SUBMITTING, State.WAITING, task_id="first")
    job = go(job, State.FAILED, cause="gave up")
    job = go(job, State.QUEUED, task_id=None, former_tasks=("first",))
    assert find_submission(job, job.costs, "first") == 1
    job = go(job, State.SUBMITTING)
    assert find_submission(job, job.costs, "first") == 1
    assert find_submission(job, job.costs, "unknown") == 2


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1", "1e9"])
def test_amount_that_no_task_can_cost_is_ignored(text: str) -> None:
    assert to_micro(Decimal(text)) is None


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(State),
            st.sampled_from(CAUSES),
            st.none() | st.decimals(0, 100, places=3),
            st.none() | st.sampled_from(["a", "b"]),
        ),
        max_size=12,
    ),
    estimate=st.none() | st.integers(0, 10**9),
)
def test_entries_of_any_history_sum_up_to_the_cost(
    steps: list[tuple[State, str, Decimal | None, str | None]], estimate: int | None
) -> None:
    job, total = make_job(estimate=estimate), Amounts()
    for state, cause, stated, task_id in steps:
        if state not in TRANSITIONS[job.state]:
            continue
        before, fields = job, {"cost": stated, "task_id": task_id}
        job = go(job, state, cause=cause, **fields)
        for _, amounts in _find_changes(before, job):
            total = Amounts(*(a + b for a, b in zip(total, amounts, strict=True)))
    assert total == measure(job)
    assert min(total) >= 0
