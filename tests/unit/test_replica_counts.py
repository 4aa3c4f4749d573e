"""How many replicas have to confirm a write."""

from typing import Any

import pytest

from imagequeue.config.replicas import FORGET_AFTER_S, Replicas


def info(*lags: int, primary: str = "one") -> dict[str, Any]:
    replicas = {
        f"slave{n}": {"ip": "::1", "port": n, "state": "online", "offset": 9, "lag": lag}
        for n, lag in enumerate(lags)
    }
    return {"master_replid": primary, "connected_slaves": len(lags), **replicas}


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def replicas(clock: list[float]) -> Replicas:
    return Replicas(lambda: clock[0])


def test_each_connected_replica_has_to_confirm(replicas: Replicas) -> None:
    assert replicas.require(info(0, 1), "") == 2


def test_one_is_required_where_there_is_none(replicas: Replicas) -> None:
    assert replicas.require(info(), "") == 1


def test_a_replica_that_leaves_is_required_for_a_while(
    replicas: Replicas, clock: list[float]
) -> None:
    replicas.require(info(0, 0), "")
    clock[0] = 1000.0  # nothing was written for long
    assert replicas.require(info(0), "") == 2
    clock[0] += FORGET_AFTER_S - 1
    assert replicas.require(info(0), "") == 2
    clock[0] += 1
    replicas.require(info(0), "")
    assert replicas.require(info(0), "") == 1


def test_a_replica_that_returns_ends_the_while(replicas: Replicas, clock: list[float]) -> None:
    replicas.require(info(0, 0), "")
    replicas.require(info(0), "")
    replicas.require(info(0, 0), "")
    clock[0] = FORGET_AFTER_S
    assert replicas.require(info(0), "") == 2


def test_a_silent_replica_counts_as_gone(replicas: Replicas, clock: list[float]) -> None:
    replicas.require(info(0, 0), "")
    replicas.require(info(0, 7), "")
    clock[0] = FORGET_AFTER_S
    replicas.require(info(0, 17), "")
    assert replicas.require(info(0, 18), "") == 1


def test_a_new_replica_is_required_from_the_next_write_on(replicas: Replicas) -> None:
    replicas.require(info(0), "")
    assert replicas.require(info(0, 0), "") == 1
    assert replicas.require(info(0, 0), "") == 2


def test_a_new_primary_begins_with_its_own_replicas(replicas: Replicas) -> None:
    replicas.require(info(0, 0), "")
    assert replicas.require(info(0, primary="two"), "one 2") == 1


def test_a_new_process_knows_what_another_has_stored(replicas: Replicas) -> None:
    replicas.require(info(0, 0), "")
    assert Replicas().require(info(0), replicas.record) == 2
