"""The store on a real Redis: compare-and-set, wake-ups, lists and retention."""

import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import redis

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidTransitionError, UnknownJobError
from imagequeue.jobs.idempotency import IdempotencyKey
from imagequeue.jobs.job import QUEUE_OF, Job, State, add_seconds, new_job
from imagequeue.store import keys
from imagequeue.store.compare_and_set import CompareAndSet
from imagequeue.store.due.wakeups import WakeUps
from imagequeue.store.jobs import Store
from support.clock import Clock


@pytest.fixture
def store(redis_url: str) -> Store:
    return Store(redis.Redis.from_url(redis_url))


@pytest.fixture
def job(store: Store, clock: Clock) -> Job:
    return add(store, clock)


def add(store: Store, clock: Clock, provider: str = "acedata-flux") -> Job:
    job = new_job(clock(), provider=provider, action="generate", delivery="poll")
    store.add([job])
    return job


def to(state: State, clock: Clock, job: Job) -> Job:
    return job.transition_to(state, "test", clock(), add_seconds(clock(), 30))


def wake_ups(store: Store, job_id: str) -> list[Queue | None]:
    """Every due set that holds the job."""
    return [q for q in (*Queue, None) if store.redis.zscore(keys.due(q), job_id) is not None]


def test_a_new_job_is_found_due_and_counted(store: Store, job: Job) -> None:
    assert store.get(job.id) == job
    assert wake_ups(store, job.id) == [Queue.SUBMIT]
    assert store.count_by_state()[State.QUEUED] == 1


def test_an_unknown_job_is_an_error_of_its_own(store: Store) -> None:
    with pytest.raises(UnknownJobError, match="job_none"):
        store.get("job_none")


def test_a_move_carries_record_index_and_wake_up_together(
    store: Store, job: Job, clock: Clock
) -> None:
    path = (State.SUBMITTING, State.WAITING, State.DOWNLOADING, State.SUCCEEDED)
    for state in path:
        store.transition(store.get(job.id), partial(to, state, clock))
        assert store.get(job.id).state is state
        assert wake_ups(store, job.id) == [QUEUE_OF[state]]
        assert {s for s, n in store.count_by_state().items() if n} == {state}
    assert [entry.to for entry in store.get(job.id).history] == list(path)


def test_a_refused_move_changes_nothing(store: Store, job: Job, clock: Clock) -> None:
    before = store.redis.dump(keys.record(job.id))
    with pytest.raises(InvalidTransitionError):
        store.transition(store.get(job.id), partial(to, State.SUCCEEDED, clock))
    assert store.redis.dump(keys.record(job.id)) == before


def test_of_many_who_move_a_job_at_once_exactly_one_is_first(
    store: Store, job: Job, clock: Clock
) -> None:
    outcomes: list[str] = []
    gate = threading.Barrier(16)

    def together(now: Job) -> Job:
        if now.state is State.QUEUED:
            gate.wait()
        return to(State.SUBMITTING, clock, now)

    def race() -> None:
        try:
            store.transition(store.get(job.id), together)
            outcomes.append("moved")
        except InvalidTransitionError:
            outcomes.append("refused")

    threads = [threading.Thread(target=race) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved"] + ["refused"] * 15
    assert len(store.get(job.id).history) == 1


def test_overtaken_step_runs_again_on_the_new_job(store: Store, job: Job, clock: Clock) -> None:
    seen: list[State] = []

    def step(now: Job) -> Job:
        seen.append(now.state)
        if len(seen) == 1:
            store.transition(store.get(job.id), partial(to, State.SUBMITTING, clock))
        return to(State.WAITING if now.state is State.SUBMITTING else State.CANCELLED, clock, now)

    assert store.transition(store.get(job.id), step).state is State.WAITING
    assert seen == [State.QUEUED, State.SUBMITTING]


def test_repeated_write_is_recognised(
    store: Store, job: Job, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_twice(self: CompareAndSet, before: Job, after: Job, client: Any = None) -> Any:
        """As the client does when the connection breaks after the script ran."""
        write(self, before, after, client)
        written.append(writes())
        answer = write(self, before, after, client)
        written.append(writes())
        return answer

    def writes() -> int:
        return int(store.redis.info("persistence")["rdb_changes_since_last_save"])

    written: list[int] = []
    write = CompareAndSet.__call__
    monkeypatch.setattr(CompareAndSet, "__call__", write_twice)
    assert (
        store.transition(store.get(job.id), partial(to, State.SUBMITTING, clock)).state
        is State.SUBMITTING
    )
    assert len(store.get(job.id).history) == 1
    # WAITAOF waits for what was written over its own connection, which may be a new one.
    assert written[0] < written[1]


def test_transition_many_changes_each_job_on_its_own(store: Store, clock: Clock) -> None:
    moved, left, broken, raced, lost = (add(store, clock) for _ in range(5))
    for late in (raced, lost):
        # Somebody else was first: what was read of them is no longer so.
        store.transition(
            store.get(late.id), lambda job: job.with_note("meanwhile", clock(), job.wake_at)
        )
    store.transition(store.get(lost.id), partial(to, State.CANCELLED, clock))

    def breaks(_: Job) -> Job:
        raise ZeroDivisionError

    submitting = partial(to, State.SUBMITTING, clock)
    outcomes = store.transition_many(
        [
            (moved, submitting),
            (left, lambda job: job),
            (broken, breaks),
            (raced, submitting),
            (lost, submitting),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [
        Job,
        Job,
        ZeroDivisionError,
        Job,
        InvalidTransitionError,
    ]
    assert [store.get(job.id) for job in (moved, left, raced)] == [*outcomes[:2], outcomes[3]]
    states = [store.get(job.id).state for job in (moved, left, broken, raced, lost)]
    begun, queued = State.SUBMITTING, State.QUEUED
    assert states == [begun, queued, queued, begun, State.CANCELLED]
    assert [change.cause for change in store.get(raced.id).changes] == ["meanwhile", "test"]


def test_one_key_makes_one_job(store: Store, clock: Clock) -> None:
    first, second = (
        new_job(clock(), provider="p", action="generate", delivery="poll") for _ in range(2)
    )
    once = [IdempotencyKey("k", "digest")]
    assert store.add([first], once) == store.add([second], once) == [first.id]
    with pytest.raises(UnknownJobError):
        store.get(second.id)


def test_pages_list_every_job_once_newest_first(store: Store, clock: Clock) -> None:
    ids = []
    for number in range(7):
        clock.advance(1)
        job = add(store, clock, provider=("even", "odd")[number % 2])
        ids.insert(0, job.id)
        if number % 3 == 0:
            store.transition(store.get(job.id), partial(to, State.SUBMITTING, clock))
    found, cursor = [], None
    while True:
        page = store.list(limit=2, cursor=cursor)
        found += [job.id for job in page.jobs]
        if (cursor := page.cursor) is None:
            break
    assert found == ids
    assert [job.id for job in store.list(provider="odd").jobs] == ids[1::2]
    assert [job.id for job in store.list(state=State.SUBMITTING).jobs] == ids[0::3]


def test_finished_job_is_deleted_after_its_retention(store: Store, job: Job, clock: Clock) -> None:
    store.transition(store.get(job.id), partial(to, State.CANCELLED, clock))
    assert store.deletion.delete_expired(clock() + timedelta(seconds=29)) == 0
    assert store.deletion.delete_expired(clock() + timedelta(seconds=30)) == 1
    assert [key for key in store.redis.scan_iter("iq:*") if job.id.encode() in key] == []
    assert sum(store.count_by_state().values()) == 0
    assert wake_ups(store, job.id) == []


def test_a_snooze_moves_a_wake_up_and_never_brings_one_back(
    store: Store, job: Job, clock: Clock
) -> None:
    WakeUps(store.redis, lease_s=30).set_wake_up(Queue.SUBMIT, job.id, add_seconds(clock(), 99))
    assert store.redis.zscore(keys.due(Queue.SUBMIT), job.id) == clock().timestamp() + 99
    WakeUps(store.redis, lease_s=30).set_wake_up(Queue.POLL, job.id, clock())
    assert wake_ups(store, job.id) == [Queue.SUBMIT]


def test_an_add_that_runs_twice_does_not_bring_an_old_job_back(
    store: Store, job: Job, clock: Clock
) -> None:
    """As the client does when the connection breaks after the script ran."""
    moved = store.transition(store.get(job.id), partial(to, State.SUBMITTING, clock))
    assert store.add([job]) == [job.id]
    assert store.get(job.id) == moved
    assert sum(store.count_by_state().values()) == 1


def test_a_batch_that_redis_has_no_room_for_leaves_nothing(store: Store, clock: Clock) -> None:
    jobs = [
        new_job(clock(), provider="p", action="generate", delivery="poll", prompt="x" * 4000)
        for _ in range(500)
    ]
    store.redis.config_set("maxmemory", store.redis.info("memory")["used_memory"] + 200_000)
    try:
        with pytest.raises(redis.RedisError):
            store.add(jobs)
    finally:
        store.redis.config_set("maxmemory", 0)
    kept = sum(store.count_by_state().values())
    assert kept in (0, len(jobs))
