"""The record that a process keeps of itself in Redis."""

import pytest
import redis

from imagequeue import __version__
from imagequeue.config.settings import Settings
from imagequeue.store.deployment import keys, processes
from imagequeue.store.deployment.processes import Heartbeat, ProcessKind, list_processes
from imagequeue.worker.context import Context


@pytest.fixture
def client(ctx: Context) -> redis.Redis:
    return ctx.store.redis


def test_a_process_describes_itself_until_it_leaves(
    client: redis.Redis, settings: Settings
) -> None:
    worker = Heartbeat(client, settings, ProcessKind.WORKER)
    worker.beat(["poll", "download"], "an id")
    (found,) = list_processes(client)
    assert (found.kind, found.version, found.queues) == (
        "worker",
        __version__,
        ["download", "poll"],
    )
    assert (found.storage, found.started_at) == ("an id", found.seen_at)
    assert abs(found.clock_ahead_s) < 2
    worker.leave()
    assert list_processes(client) == []


def test_a_process_that_was_killed_expires(client: redis.Redis, settings: Settings) -> None:
    Heartbeat(client, settings, ProcessKind.API).beat()
    ((process_id, _),) = client.zrange(keys.PROCESSES, 0, -1, withscores=True)
    name = keys.process(process_id.decode())
    assert 0 < client.ttl(name) <= processes.EXPIRES_S
    client.delete(name)
    assert list_processes(client) == []
    client.zadd(keys.PROCESSES, {process_id: 1})
    Heartbeat(client, settings, ProcessKind.API).beat()
    assert client.zcard(keys.PROCESSES) == 1


def test_a_record_is_written_again_only_now_and_then(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for every_s, written in ((60, 0), (0, 1)):
        monkeypatch.setattr(processes, "BEAT_EVERY_S", every_s)
        api = Heartbeat(client, settings, ProcessKind.API)
        api.beat()
        client.flushall()
        api.beat()
        assert len(list_processes(client)) == written


def test_settings_are_compared_and_no_value_is_stored(
    client: redis.Redis, settings: Settings
) -> None:
    secret = "amqp://shop:hunter2@rabbit/"
    for changed in ({}, {"broker_url": secret}, {"broker_url": secret, "log_level": "DEBUG"}):
        other = settings.model_copy(update=changed)
        Heartbeat(client, other, ProcessKind.API).beat()
    one, two, three = (each.settings for each in list_processes(client))
    assert {name for name in one if one[name] != two[name]} == {"broker_url"}
    assert two == three
    assert {"lease_s", "budgets", "kie_rate_limit"} < one.keys()
    stored = [client.get(name) for name in client.keys(keys.process("*"))]
    assert len(stored) == 3
    assert not [record for record in stored if b"hunter2" in record]


def test_a_record_of_another_version_hides_no_other(
    client: redis.Redis, settings: Settings
) -> None:
    Heartbeat(client, settings, ProcessKind.API).beat()
    (record,) = client.mget(client.keys(keys.process("*")))
    client.set(keys.process("newer"), record.replace(b'"api"', b'"cron","new":[1]'))
    client.set(keys.process("broken"), b"\xff{")
    client.zadd(keys.PROCESSES, {"newer": 1, "broken": 1, b"\xff": 1})
    assert [each.kind for each in list_processes(client)] == ["api", "cron"]
