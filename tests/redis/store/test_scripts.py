"""Scripts over kept connections: sent in one piece, and run all the same when something breaks."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from imagequeue.config.redis import KeptClient, ScriptCall, checked, connect, run_together
from imagequeue.config.settings import Settings

ECHO = "return ARGV[1]"
FAIL = "return redis.error_reply('refused')"
COUNT = "return redis.call('INCR', KEYS[1])"


@pytest.fixture(params=[True, False], ids=["kept", "pooled"])
def client(settings: Settings, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with connect(settings, kept=request.param) as client:
        assert isinstance(client, KeptClient) is request.param
        client.flushdb()
        yield client


def call(client: redis.Redis, source: str, *args: str) -> ScriptCall:
    return ScriptCall(client.register_script(source), ["test:count"], args)


def echoed(client: redis.Redis, *words: str) -> list[Any]:
    return run_together([call(client, ECHO, word) for word in words])


def test_answers_come_in_the_order_of_the_calls(client: redis.Redis) -> None:
    calls = [call(client, COUNT), call(client, ECHO, "a"), call(client, COUNT)]
    assert run_together(calls) == [1, b"a", 2]


def test_an_error_is_the_answer_of_one_and_none_is_left_over(client: redis.Redis) -> None:
    first, error, last = run_together(
        [call(client, COUNT), call(client, FAIL), call(client, COUNT)]
    )
    assert (first, last) == (1, 2)
    with pytest.raises(ResponseError, match="refused"):
        checked(error)
    with pytest.raises(ResponseError, match="refused"):
        client.register_script(FAIL)()
    assert echoed(client, "a", "b") == [b"a", b"b"]


def test_a_server_that_knows_no_script_learns_them_again(client: redis.Redis) -> None:
    assert echoed(client, "a") == [b"a"]
    client.script_flush()
    assert echoed(client, "b", "c") == [b"b", b"c"]


def test_a_script_that_the_server_knows_runs_once_beside_one_that_it_does_not(
    client: redis.Redis,
) -> None:
    client.script_flush()
    client.script_load(COUNT)
    assert run_together([call(client, ECHO, "a"), call(client, COUNT)]) == [b"a", 1]
    client.script_flush()
    client.script_load(COUNT)
    assert run_together([call(client, COUNT), call(client, ECHO, "b")]) == [2, b"b"]


def test_a_connection_that_was_cut_is_made_again(client: redis.Redis, redis_url: str) -> None:
    assert echoed(client, "a") == [b"a"]
    with redis.Redis.from_url(redis_url) as other:
        other.client_kill_filter(_type="normal", skipme=True)
    assert echoed(client, "b", "c") == [b"b", b"c"]
