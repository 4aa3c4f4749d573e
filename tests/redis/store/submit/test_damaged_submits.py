"""A damaged entry of the submit queue stops no other job, and its own job no longer than needed."""

from typing import Any

import pytest
import redis

from imagequeue.jobs.job import State
from imagequeue.store import keys
from imagequeue.store.jobs import Store
from imagequeue.store.money import keys as money_keys
from imagequeue.store.submit.positions import Positions
from imagequeue.store.submit.queue import Quota, SubmitQueue, dump_limits
from support.clock import Clock
from support.submits import LEASE_S, add, answer, move, put_back

QUOTAS = {"kie": Quota(("main",), max_in_flight=5)}
DAMAGED = {
    "no JSON": b"{",
    "a number": b"5",
    "an empty list": b"[]",
    "names of no text": b'{"quota": 1, "at": {}, "caller": [], "until": "x", "cost": 5}',
    "binary": b"\xff",
}


@pytest.fixture
def queue(client: redis.Redis) -> SubmitQueue:
    return SubmitQueue(client, LEASE_S, QUOTAS)


@pytest.mark.parametrize("entry", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("hash_key", [keys.PLACES, keys.PERMITS, money_keys.RESERVED])
def test_a_damaged_entry_of_a_job_stops_no_other(
    queue: SubmitQueue, store: Store, clock: Clock, hash_key: str, entry: bytes
) -> None:
    damaged, other = add(store, clock, submitted_by="a") + add(store, clock, submitted_by="b")
    store.redis.hset(hash_key, damaged, entry)
    positions = Positions(store.redis, dump_limits(QUOTAS)).measure(
        [store.get(damaged), store.get(other)], clock()
    )
    assert set(positions) == {damaged, other}
    assert other in queue.lease(clock(), 9).job_ids
    answer(store, clock, other)
    assert move(store, clock, damaged, State.CANCELLED).state is State.CANCELLED
    assert store.redis.hget(keys.PLACES, damaged) is None
    assert store.redis.hkeys(keys.PERMITS) == [other.encode()]


@pytest.mark.parametrize("entry", [None, *DAMAGED.values()], ids=["none", *DAMAGED])
def test_a_job_with_a_damaged_place_in_its_line_comes_due(
    queue: SubmitQueue, store: Store, clock: Clock, entry: bytes | None
) -> None:
    first, second, third = add(store, clock, 3)
    assert queue.lease(clock(), 1).job_ids == [first]  # the others are in the line now
    if entry is None:
        store.redis.hdel(keys.PLACES, second)
    else:
        store.redis.hset(keys.PLACES, second, entry)
    assert third in queue.lease(clock(), 9).job_ids
    assert second in queue.lease(clock(), 9).job_ids
    job = store.get(second)
    assert not queue.has_place(job)
    put_back(store, clock, second)  # as a worker does for a job without a place
    assert queue.has_place(job)
    assert queue.lease(clock(), 9).job_ids == [second]
    assert queue.get_permit(second, clock())


@pytest.mark.parametrize("entry", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_pause_holds_its_own_name_until_it_is_resumed(
    queue: SubmitQueue, store: Store, clock: Clock, entry: bytes
) -> None:
    (job_id,) = add(store, clock)
    store.redis.hset(keys.PAUSES, keys.pause("acedata", "hand"), entry)
    store.redis.hset(keys.PAUSES, "no kind of pause", entry)
    assert queue.lease(clock(), 9).job_ids == [job_id]
    put_back(store, clock, job_id)
    store.redis.hset(keys.PAUSES, keys.pause("kie:main", "hand"), entry)
    assert queue.lease(clock(), 9).job_ids == []
    positions: Any = Positions(store.redis, dump_limits(QUOTAS))
    assert positions.measure([store.get(job_id)], clock())[job_id].waits_for == "pause"
    store.redis.hdel(keys.PAUSES, keys.pause("kie:main", "hand"))
    assert queue.lease(clock(), 9).job_ids == [job_id]


@pytest.mark.parametrize("entry", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_api_key_holds_only_the_jobs_of_its_caller(
    queue: SubmitQueue, store: Store, clock: Clock, entry: bytes
) -> None:
    (held,), (other,) = add(store, clock, submitted_by="shop"), add(store, clock)
    store.redis.hset(keys.API_KEYS, "shop", entry)
    positions = Positions(store.redis, dump_limits(QUOTAS))
    assert positions.measure([store.get(held)], clock())[held].position == 0
    assert queue.lease(clock(), 9).job_ids == [other]
    store.redis.hdel(keys.API_KEYS, "shop")
    assert queue.lease(clock(), 9).job_ids == [held]
