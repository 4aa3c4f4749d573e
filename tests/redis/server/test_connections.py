"""The client of `connect`: safe between threads, across a fork, and over cut connections."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from threading import Barrier

import pytest
import redis

from imagequeue.config import redis as config_redis
from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings

COUNT = "return redis.call('INCR', KEYS[1])"


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as client:
        yield client


def connection_ids(client: redis.Redis, threads: int) -> set[int]:
    """The ids, by the server's count, of the connections that so many threads use at once."""
    start = Barrier(threads)

    def ask(_: int) -> int:
        start.wait()
        return int(client.client_id())

    with ThreadPoolExecutor(threads) as pool:
        return set(pool.map(ask, range(threads)))


def test_only_the_standard_parts_of_redis_py_are_used(client: redis.Redis) -> None:
    script = client.register_script(COUNT)
    parts = (client, client.connection_pool, client.pipeline(), script)
    assert {type(part).__module__.partition(".")[0] for part in parts} == {"redis"}
    assert type(client.connection_pool) is redis.BlockingConnectionPool


def test_child_process_opens_its_own_connections(client: redis.Redis) -> None:
    parents = connection_ids(client, 4)
    fork = get_context("fork")
    answers = fork.SimpleQueue()

    def ask() -> None:
        answers.put([os.getpid(), client.client_id(), client.client_id()])

    children = [fork.Process(target=ask) for _ in range(3)]
    for child in children:
        child.start()
    seen = [answers.get() for _ in children]
    for child in children:
        child.join()
    assert {pid for pid, _, _ in seen} == {child.pid for child in children}
    of_children = {first for _, first, _ in seen}
    assert len(of_children) == len(children)
    assert not of_children & parents
    assert all(first == second for _, first, second in seen)
    assert client.client_id() in parents


def test_threads_beyond_the_pool_wait_for_a_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_redis, "MAX_CONNECTIONS", 2)
    with connect(settings) as client:
        count = client.register_script(COUNT)
        with ThreadPoolExecutor(30) as pool:
            counts = list(pool.map(lambda _: count(keys=["test:count"]), range(300)))
        assert sorted(counts) == list(range(1, 301))
        assert len(connection_ids(client, 30)) <= 2


def test_cut_connection_is_replaced(client: redis.Redis, redis_url: str) -> None:
    count = client.register_script(COUNT)
    assert count(keys=["test:count"]) == 1
    with redis.Redis.from_url(redis_url) as other:
        other.client_kill_filter(_type="normal", skipme=True)
    assert count(keys=["test:count"]) == 2


def test_script_is_loaded_again_after_a_flush(client: redis.Redis) -> None:
    count = client.register_script(COUNT)
    assert count(keys=["test:count"]) == 1
    client.script_flush()
    assert count(keys=["test:count"]) == 2
    client.script_flush()
    with client.pipeline(transaction=False) as pipe:
        count(keys=["test:count"], client=pipe)
        count(keys=["test:count"], client=pipe)
        assert pipe.execute() == [3, 4]
