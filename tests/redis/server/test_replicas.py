"""IMAGEQUEUE_DURABILITY=replica: what matters counts once a replica has it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from conftest import Start

from benchmarks.servers.redis_process import RedisProcess
from imagequeue.config import durability
from imagequeue.config.redis import connect, connect_broker
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError, NotDurableError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.diagnose import CHECKS
from imagequeue.producer.local.embedded_redis import find_server_binary
from imagequeue.producer.local.ports import free_port
from imagequeue.store import durable_writes
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.jobs import KIE_ACCEPTED, path, queued
from support.processes import eventually
from support.replicas import Pair, replicated
from support.stub import Stub
from support.worker.receiver import post, run_receiver, url_of


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr(durable_writes, "WAIT_MS", 500)
    with replicated(find_server_binary(), tmp_path) as pair:
        yield pair


@pytest.fixture
def overrides(overrides: dict[str, str], pair: Pair, stub: Stub) -> dict[str, str]:
    changed = {"redis_url": pair.url, "durability": "replica", "kie_base_url": stub.url}
    return {**overrides, **changed}


def test_a_job_is_on_the_replica_when_it_is_accepted(settings: Settings, pair: Pair) -> None:
    job = LocalClient(settings).submit("acedata-flux", "a cat")
    stats = pair.primary.info("commandstats")
    assert stats["cmdstat_wait"]["calls"] == 1
    assert pair.replica.exists(f"iq:{job.id}")


def test_a_job_that_no_replica_has_is_not_accepted(settings: Settings, pair: Pair) -> None:
    client = LocalClient(settings)
    pair.detach()
    with pytest.raises(NotDurableError, match="idempotency key"):
        client.submit("acedata-flux", "a cat", idempotency_key="once")
    pair.attach()
    accepted = client.submit("acedata-flux", "a cat", idempotency_key="once")
    assert sum(client.counts().values()) == 1
    assert accepted.state is State.QUEUED


def test_a_job_that_a_deaf_replica_does_not_confirm_is_not_accepted(
    settings: Settings, pair: Pair
) -> None:
    client = LocalClient(settings)
    client.submit("acedata-flux", "a cat")
    replica = pair.replica.info("server")["process_id"]
    os.kill(replica, signal.SIGSTOP)  # its connection stays open
    try:
        with pytest.raises(NotDurableError):
            client.submit("acedata-flux", "a dog", idempotency_key="once")
    finally:
        os.kill(replica, signal.SIGCONT)
    job = client.submit("acedata-flux", "a dog", idempotency_key="once")
    assert pair.replica.exists(f"iq:{job.id}")
    assert sum(client.counts().values()) == 2


def test_an_intent_that_no_replica_has_is_not_paid(ctx: Context, pair: Pair, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: KIE_ACCEPTED
    pair.detach()
    submit(ctx, job_id)
    assert stub.posts == []
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "queued"]


def test_a_write_that_the_next_primary_lacks_is_refused(
    settings: Settings, pair: Pair, tmp_path: Path
) -> None:
    other = RedisProcess(tmp_path / "other")
    try:
        other.start()
        other.ask("REPLICAOF", *pair.address)
        eventually(lambda: pair.primary.info("replication")["connected_slaves"] == 2)
        eventually(other.is_in_step)
        client = LocalClient(settings)
        client.submit("acedata-flux", "a cat")
        # As Sentinels begin a planned failover: the other replica follows a second later.
        pair.replica.replicaof("NO", "ONE")
        eventually(lambda: pair.primary.info("replication")["connected_slaves"] == 1)
        for each in (client, LocalClient(settings)):
            with pytest.raises(NotDurableError):
                each.submit("acedata-flux", "a dog")
    finally:
        other.stop()


def test_a_callback_that_no_replica_has_is_refused(
    settings: Settings, pair: Pair, start: Start
) -> None:
    _, receiver = run_receiver(start)
    assert post(receiver + url_of(settings)) == 200
    pair.detach()
    assert post(receiver + url_of(settings)) == 503


def test_a_redis_without_replica_is_refused(
    settings: Settings, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "AWAIT_REPLICA_S", 0.0)
    pair.detach()
    with pytest.raises(ConfigError, match="has no replica"):
        connect(settings)


def test_a_process_that_starts_during_a_failover_waits_for_a_replica(
    settings: Settings, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.detach()
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: pair.attach())
    monkeypatch.setattr(durability, "time", clock)
    assert connect(settings).ping()


def test_the_doctor_says_what_a_replica_has(settings: Settings) -> None:
    assert "on a replica before they count" in CHECKS["redis"](settings)
    said = CHECKS["redis"](settings.model_copy(update={"durability": "disk"}))
    assert "a failover loses what its replica lacks" in said


def test_a_replica_is_refused(overrides: dict[str, str], pair: Pair) -> None:
    port = pair.replica.connection_pool.connection_kwargs["port"]
    settings = read_settings(**overrides | {"redis_url": f"redis://127.0.0.1:{port}/0"})
    with pytest.raises(ConfigError, match="is a replica: IMAGEQUEUE_REDIS_URL must name"):
        connect(settings)
    settings = read_settings(**overrides, broker_url=settings.redis_url or "")
    with pytest.raises(ConfigError, match="is a replica: IMAGEQUEUE_BROKER_URL must name"):
        connect_broker(settings, pair.primary)


def test_a_redis_without_a_file_needs_the_word_memory(
    overrides: dict[str, str], pair: Pair
) -> None:
    pair.primary.config_set("appendonly", "no")
    with pytest.raises(ConfigError, match=r"IMAGEQUEUE_DURABILITY=replica .* =memory accepts"):
        connect(read_settings(**overrides | {"durability": "disk"}))
    connect(read_settings(**overrides | {"durability": "memory"})).close()


def test_a_user_without_scripts_is_refused(overrides: dict[str, str], pair: Pair) -> None:
    rights = ["~*", "&*", "+@all", "-@scripting"]
    pair.primary.execute_command("ACL", "SETUSER", "shop", "on", ">pw", *rights)
    url = pair.url.replace("redis://", "redis://shop:pw@")
    with pytest.raises(ConfigError, match=r"user of IMAGEQUEUE_REDIS_URL lacks rights .*eval"):
        connect(read_settings(**overrides | {"redis_url": url}))


def test_a_user_without_admin_commands_is_enough(overrides: dict[str, str], pair: Pair) -> None:
    rights = ["~*", "&*", "+@all", "-@admin", "-@dangerous", "+info", "+keys"]
    pair.primary.execute_command("ACL", "SETUSER", "shop", "on", ">pw", *rights)
    url = pair.url.replace("redis://", "redis://shop:pw@")
    settings = read_settings(**overrides | {"redis_url": url})
    assert LocalClient(settings).submit("acedata-flux", "a cat").state is State.QUEUED


def test_a_cluster_is_refused(overrides: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    listen = ["--port", str(port), "--dir", str(tmp_path), "--cluster-enabled", "yes"]
    listen += ["--cluster-port", str(free_port())]  # else the port and 10,000, which may not exist
    command = [find_server_binary(), *listen, "--appendonly", "yes", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            client = redis.Redis(port=port)
            eventually(lambda: _answers(client))
            settings = read_settings(**overrides | {"redis_url": f"redis://127.0.0.1:{port}/0"})
            with pytest.raises(ConfigError, match="is a cluster"):
                connect(settings)
        finally:
            server.kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
