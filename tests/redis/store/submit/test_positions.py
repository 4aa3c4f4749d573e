"""Where queued jobs stand, and the word for what each of them waits for."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from imagequeue.jobs.job import State, add_seconds
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.jobs import Store
from imagequeue.store.submit.pauses import Pauses
from imagequeue.store.submit.positions import Positions, QueuePosition
from imagequeue.store.submit.queue import Quota, SubmitQueue, dump_limits
from support.clock import Clock
from support.submits import add

WINDOW_S = 10
LIMITED = Quota(("main",), tasks=20, seconds=WINDOW_S)
FREE = Quota(("main",))


@pytest.fixture
def measure(client: redis.Redis, store: Store, clock: Clock) -> Callable[..., QueuePosition]:
    """Measure a job after `leased` jobs have got their permits."""

    def measure_one(
        job_id: str, quota: Quota = LIMITED, leased: int = 0, **limits: int
    ) -> QueuePosition:
        quotas = {"kie": quota}
        SubmitQueue(client, 25, quotas, **limits).lease(clock(), leased)
        positions = Positions(client, dump_limits(quotas, **limits))
        return positions.measure([store.get(job_id)], clock())[job_id]

    return measure_one


def test_a_position_counts_what_leaves_before(measure: Any, store: Store, clock: Clock) -> None:
    of_a = add(store, clock, 10, submitted_by="a")
    of_b = add(store, clock, 3, submitted_by="b")
    add(store, clock, 2, submitted_by="c", priority="high")
    assert measure(of_b[0]).position == 2 + 1
    assert measure(of_b[2]).position == 2 + 2 + 3
    assert measure(of_a[9]).position == 2 + 9 + 3


def test_a_wait_is_estimated_from_the_limit_of_every_key(
    measure: Any, store: Store, clock: Clock
) -> None:
    job_ids = add(store, clock, 40)
    found = measure(job_ids[-1], LIMITED._replace(keys=("main", "spare")))
    assert (found.waits_for, found.position) == ("turn", 39)
    assert found.wait_s == pytest.approx(39 * WINDOW_S / 40, abs=0.1)
    assert found.starts_at == add_seconds(clock(), found.wait_s)


def test_a_full_window_is_a_limit_until_it_ends(measure: Any, store: Store, clock: Clock) -> None:
    quota = LIMITED._replace(tasks=1)
    _, second, third = add(store, clock, 3)
    found = measure(second, quota, leased=1)
    assert (found.waits_for, found.position) == ("limit", 0)
    # A request that is out counts from the end of its lease.
    assert found.wait_s == 25 + WINDOW_S
    assert measure(third, quota).wait_s == 25 + 2 * WINDOW_S


@pytest.mark.parametrize(
    ("quota", "limits", "reason"),
    [
        (FREE._replace(max_in_flight=1), {}, "of the provider key"),
        (FREE, {"max_in_flight": 1}, "in all"),
        (FREE, {"caller_max_in_flight": 1}, "of the caller"),
    ],
)
def test_jobs_in_flight_are_named_by_their_limit(
    measure: Any, store: Store, clock: Clock, quota: Quota, limits: dict[str, int], reason: str
) -> None:
    _, second = add(store, clock, 2)
    found = measure(second, quota, leased=1, **limits)
    assert (found.waits_for, found.reason, found.wait_s) == ("in_flight", reason, None)


def test_the_limit_of_an_api_key_counts_for_its_caller(
    measure: Any, store: Store, clock: Clock, client: redis.Redis
) -> None:
    ApiKeys(client).add("shop", Limits(in_flight=1), clock())
    _, second = add(store, clock, 2, submitted_by="shop")
    found = measure(second, FREE, leased=1)
    assert (found.waits_for, found.reason) == ("in_flight", "of the caller")


def test_a_job_waits_for_its_time(measure: Any, store: Store, clock: Clock) -> None:
    at = add_seconds(clock(), 60)
    (planned,) = add(store, clock, not_before=at)
    found = measure(planned)
    assert (found.waits_for, found.reason, found.position) == ("time", "not_before", None)
    assert (found.wait_s, found.starts_at) == (60, at)
    (refused,) = add(store, clock)
    for state, wake_at in ((State.SUBMITTING, clock()), (State.QUEUED, at)):
        store.transition(
            store.get(refused),
            lambda job, to=state, until=wake_at: job.transition_to(to, "test", clock(), until),
        )
    assert measure(refused).reason == "backoff"


def test_a_pause_of_every_key_is_named(
    measure: Any, store: Store, clock: Clock, client: redis.Redis
) -> None:
    quota = FREE._replace(keys=("main", "spare"))
    (job_id,) = add(store, clock)
    pauses = Pauses(client)
    pauses.limit_rate("kie", "main", 60, clock())
    assert measure(job_id, quota).waits_for == "turn"
    pauses.limit_rate("kie", "spare", 30, clock())
    found = measure(job_id, quota)
    assert (found.waits_for, found.reason, found.wait_s) == ("pause", "kie:spare: rate_limit", 30)
    pauses.pause("all", "too dear", "cli", clock())
    found = measure(job_id, quota)
    assert (found.waits_for, found.reason, found.wait_s) == ("pause", "all: too dear", None)


def test_a_job_waits_for_a_key_and_then_for_a_worker(
    measure: Any, store: Store, clock: Clock
) -> None:
    (job_id,) = add(store, clock)
    assert measure(job_id, Quota(())).waits_for == "key"
    found = measure(job_id, leased=1)
    assert (found.waits_for, found.position, found.wait_s) == ("worker", 0, 0)


def test_only_queued_jobs_have_a_position(store: Store, clock: Clock, client: redis.Redis) -> None:
    (job_id,) = add(store, clock)
    job = store.get(job_id).transition_to(State.CANCELLED, "test", clock(), clock())
    assert Positions(client, dump_limits({})).measure([job], clock()) == {}
