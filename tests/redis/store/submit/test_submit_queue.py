"""The order in which queued jobs leave, and the limits that they keep."""

from collections.abc import Callable

import pytest
import redis

from imagequeue.jobs.job import State, add_seconds
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.jobs import Store
from imagequeue.store.submit.pauses import Pauses
from imagequeue.store.submit.queue import Quota, SubmitQueue
from support.clock import Clock
from support.submits import LEASE_S, add, answer, move, put_back, start

WINDOW_S = 10
LIMITED = Quota(("main",), tasks=20, seconds=WINDOW_S)
Make = Callable[..., SubmitQueue]


@pytest.fixture
def make(client: redis.Redis) -> Make:
    def make_one(quota: Quota = LIMITED, **limits: int) -> SubmitQueue:
        return SubmitQueue(client, LEASE_S, {"kie": quota}, **limits)

    return make_one


def drain(
    queue: SubmitQueue, store: Store, clock: Clock, to: State = State.DOWNLOADING
) -> list[str]:
    """Send all that may be sent at this instant, and what the spacing allows right after it."""
    sent: list[str] = []
    end = add_seconds(clock(), WINDOW_S / 2)
    while True:
        leased = queue.lease(clock(), 100)
        for job_id in leased.job_ids:
            answer(store, clock, job_id, to)
        sent += leased.job_ids
        if leased.job_ids:
            continue
        if leased.next_at is None or leased.next_at > end:
            return sent
        clock.advance((leased.next_at - clock()).total_seconds())


def test_a_window_takes_no_more_than_its_tasks(make: Make, store: Store, clock: Clock) -> None:
    queue, job_ids = make(), add(store, clock, 45)
    assert drain(queue, store, clock) == job_ids[:20]
    clock.advance(WINDOW_S)
    assert drain(queue, store, clock) == job_ids[20:40]
    clock.advance(WINDOW_S)
    assert drain(queue, store, clock) == job_ids[40:]


def test_the_time_of_the_next_permit_is_told(make: Make, store: Store, clock: Clock) -> None:
    queue = make(LIMITED._replace(tasks=1))
    first, second = add(store, clock, 2)
    assert queue.lease(clock(), 9).job_ids == [first]
    clock.advance(3)
    answer(store, clock, first)
    answered_at = clock()
    leased = queue.lease(clock(), 9)
    assert leased.job_ids == []
    assert leased.next_at == add_seconds(answered_at, WINDOW_S)
    clock.advance(WINDOW_S)
    assert queue.lease(clock(), 9).job_ids == [second]


def test_a_request_that_is_out_counts_until_it_is_answered(
    make: Make, store: Store, clock: Clock
) -> None:
    queue = make(LIMITED._replace(tasks=1))
    first, _ = add(store, clock, 2)
    queue.lease(clock(), 9)
    start(store, clock, first)
    clock.advance(WINDOW_S + 1)
    assert queue.lease(clock(), 9).job_ids == []


def test_no_more_jobs_are_in_flight_than_a_key_allows(
    make: Make, store: Store, clock: Clock
) -> None:
    queue = make(Quota(("main",), max_in_flight=2))
    first, second, third = add(store, clock, 3)
    assert queue.lease(clock(), 9).job_ids == [first, second]
    answer(store, clock, first)
    answer(store, clock, second)
    assert queue.lease(clock(), 9).job_ids == []
    move(store, clock, first, State.FAILED)
    assert queue.lease(clock(), 9).job_ids == [third]


@pytest.mark.parametrize(
    "limits", [{"max_in_flight": 1}, {"caller_max_in_flight": 1}], ids=["all", "caller"]
)
def test_jobs_in_flight_are_limited_in_all_and_by_caller(
    make: Make, store: Store, clock: Clock, limits: dict[str, int]
) -> None:
    queue = make(Quota(("main",)), **limits)
    first, _ = add(store, clock, 2, submitted_by="a")
    (other,) = add(store, clock, submitted_by="b")
    expected = [first] if "max_in_flight" in limits else [first, other]
    assert queue.lease(clock(), 9).job_ids == expected


def test_the_limit_of_an_api_key_overrides_that_of_all_callers(
    make: Make, store: Store, clock: Clock, client: redis.Redis
) -> None:
    ApiKeys(client).add("shop", Limits(in_flight=2), clock())
    queue = make(Quota(("main",)), caller_max_in_flight=1)
    job_ids = add(store, clock, 3, submitted_by="shop")
    assert queue.lease(clock(), 9).job_ids == job_ids[:2]


def test_a_single_job_does_not_wait_for_the_jobs_of_others(
    make: Make, store: Store, clock: Clock
) -> None:
    queue = make()
    add(store, clock, 300, submitted_by="a")
    drain(queue, store, clock)
    (single,) = add(store, clock, submitted_by="b")
    clock.advance(WINDOW_S)
    assert single in drain(queue, store, clock)[:2]


def test_a_caller_that_comes_back_does_not_jump_the_queue(
    make: Make, store: Store, clock: Clock
) -> None:
    queue = make(Quota(("main",)))
    backlog = add(store, clock, 20, submitted_by="b")
    order: list[str] = []
    for _ in range(10):
        add(store, clock, submitted_by="a")
        for job_id in queue.lease(clock(), 1).job_ids:
            answer(store, clock, job_id, State.DOWNLOADING)
            order.append(job_id)
    assert 4 <= len([job_id for job_id in order if job_id in backlog]) <= 6


def test_a_line_that_was_paused_saved_no_turns_up(
    make: Make, store: Store, clock: Clock, client: redis.Redis
) -> None:
    queue = make(Quota(("main",)))
    Pauses(client).pause("kie-midjourney", "slow", "ann", clock())
    paused = add(store, clock, 10, provider="kie-midjourney", submitted_by="a")
    for _ in range(10):
        (job_id,) = add(store, clock, submitted_by="b")
        assert queue.lease(clock(), 1).job_ids == [job_id]
        answer(store, clock, job_id, State.DOWNLOADING)
    add(store, clock, 4, submitted_by="b")
    Pauses(client).resume("kie-midjourney")
    next_jobs = [queue.lease(clock(), 1).job_ids[0] for _ in range(4)]
    assert len(set(next_jobs) & set(paused)) == 2


def test_jobs_of_a_higher_priority_leave_first(make: Make, store: Store, clock: Clock) -> None:
    (low,) = add(store, clock, priority="low")
    (normal,) = add(store, clock)
    (high,) = add(store, clock, priority="high")
    assert make(Quota(("main",))).lease(clock(), 9).job_ids == [high, normal, low]


def test_a_job_is_not_sent_before_its_time(make: Make, store: Store, clock: Clock) -> None:
    (job_id,) = add(store, clock, not_before=add_seconds(clock(), 60))
    queue = make()
    assert queue.lease(clock(), 9).job_ids == []
    clock.advance(60)
    assert queue.lease(clock(), 9).job_ids == [job_id]


def test_a_refused_job_keeps_its_place(make: Make, store: Store, clock: Clock) -> None:
    queue = make(LIMITED._replace(tasks=2))
    first, second, third = add(store, clock, 3)
    queue.lease(clock(), 1)
    answer(store, clock, first, State.QUEUED)
    clock.advance(WINDOW_S)
    assert drain(queue, store, clock) == [first, second]
    clock.advance(WINDOW_S)
    assert drain(queue, store, clock) == [third]


def test_two_keys_take_twice_as_many(make: Make, store: Store, clock: Clock) -> None:
    queue = make(LIMITED._replace(keys=("main", "spare")))
    job_ids = add(store, clock, 60)
    assert sorted(drain(queue, store, clock)) == job_ids[:40]


def test_a_paused_key_is_not_used(
    make: Make, store: Store, clock: Clock, client: redis.Redis
) -> None:
    queue = make(Quota(("main", "spare")))
    job_ids = add(store, clock, 2)
    Pauses(client).limit_rate("kie", "main", 60, clock())
    assert queue.lease(clock(), 9).job_ids == job_ids
    permits = [queue.get_permit(job_id, clock()) for job_id in job_ids]
    assert {permit.account_key for permit in permits if permit} == {"spare"}


def test_a_lost_message_costs_one_lease_and_no_permit(
    make: Make, store: Store, clock: Clock
) -> None:
    queue = make(Quota(("main",), max_in_flight=1))
    first, second = add(store, clock, 2)
    assert queue.lease(clock(), 9).job_ids == [first]
    clock.advance(LEASE_S + 1)
    assert queue.lease(clock(), 9).job_ids == [first]
    answer(store, clock, first, State.DOWNLOADING)
    assert queue.lease(clock(), 9).job_ids == [second]


def test_a_job_that_is_put_back_keeps_its_place(make: Make, store: Store, clock: Clock) -> None:
    queue = make(Quota(("main",), max_in_flight=1))
    first, _ = add(store, clock, 2)
    queue.lease(clock(), 1)
    put_back(store, clock, first)
    assert queue.lease(clock(), 9).job_ids == [first]


def test_a_cancelled_job_leaves_its_line(make: Make, store: Store, clock: Clock) -> None:
    queue = make(Quota(("main",), max_in_flight=1))
    first, second, third = add(store, clock, 3)
    queue.lease(clock(), 1)
    for job_id in (first, second):
        move(store, clock, job_id, State.CANCELLED)
    assert queue.lease(clock(), 9).job_ids == [third]


def test_a_stray_message_gets_a_permit_only_within_the_limits(
    make: Make, store: Store, clock: Clock
) -> None:
    queue = make(Quota(("main",), max_in_flight=1))
    first, second = add(store, clock, 2)
    assert queue.get_permit(second, clock())
    assert queue.get_permit(first, clock()) is None
