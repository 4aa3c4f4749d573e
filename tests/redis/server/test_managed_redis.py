"""Redis as operators have it: with passwords, hidden commands and users of few rights."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.client import Pipeline

from imagequeue.config import redis as config_redis
from imagequeue.config.celery import make_celery
from imagequeue.config.durability import Durability
from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError, RedisUnavailableError
from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.diagnose import CHECKS
from imagequeue.producer.local.embedded_redis import find_server_binary
from imagequeue.producer.local.ports import free_port
from imagequeue.producer.metrics.families import families
from imagequeue.producer.metrics.snapshot import take_snapshot
from imagequeue.store.broker import open_queues
from support.processes import eventually

PASSWORD = "s/t@x"
QUOTED = "s%2Ft%40x"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """A server with a password, whose CONFIG is hidden, at a port and a socket."""
    number = free_port()
    (folder / "redis.conf").write_text(
        f"port {number}\nbind 127.0.0.1\ndir {folder}\nunixsocket {folder}/redis.sock\n"
        f'appendonly yes\nsave ""\nrequirepass {PASSWORD}\nrename-command CONFIG ""\n'
    )
    command = [find_server_binary(), str(folder / "redis.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        eventually((folder / "redis.sock").exists)
        yield number
        server.kill()


@pytest.fixture
def admin(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port, password=PASSWORD) as client:
        client.flushall()
        yield client


@pytest.fixture
def read(overrides: dict[str, str], admin: redis.Redis) -> Callable[[str], Settings]:
    return lambda url: read_settings(**{**overrides, "redis_url": url})


@pytest.mark.parametrize(
    "place", [f":{QUOTED}@127.0.0.1:PORT/3", f":{QUOTED}@127.0.0.1:PORT?db=3", "SOCKET"]
)
def test_jobs_and_messages_go_to_the_database_of_the_url(
    read: Callable[[str], Settings], admin: redis.Redis, folder: Path, port: int, place: str
) -> None:
    socket = f"unix://:{QUOTED}@{folder}/redis.sock?db=3"
    url = socket if place == "SOCKET" else f"redis://{place}".replace("PORT", str(port))
    settings = read(url)
    job = LocalClient(settings).submit("acedata-flux", "a cat")
    assert job.state is State.QUEUED
    with make_celery(settings) as celery, celery.connection_for_write() as connection:
        connection.default_channel.client.set("message", 1)
    assert admin.info("keyspace").keys() == {"db3"}
    with redis.Redis(port=port, password=PASSWORD, db=3) as client:
        assert client.exists(f"iq:{job.id}", "message") == 2


def test_a_hidden_config_is_no_obstacle(read: Callable[[str], Settings], port: int) -> None:
    said = CHECKS["redis"](read(f"redis://:{QUOTED}@127.0.0.1:{port}/0"))
    assert "evicts nothing" in said


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ("~* &* +@all -evalsha", "evalsha"),
        ("~* &* +@all -script|load", "script|load"),
        ("~* &* +@all -info", "info"),
        ("~iq:* &* +@all", "key"),
        ("~_kombu* &* +@all", "key"),
        ("~* &iq:* +@all", "channel"),
    ],
)
def test_a_user_that_lacks_a_right_is_refused_in_one_line(
    read: Callable[[str], Settings], admin: redis.Redis, port: int, rights: str, words: str
) -> None:
    # Each test its own user, and none keeps the rights of another one.
    admin.execute_command("ACL", "SETUSER", "shop", "reset", "on", ">pw", *rights.split())
    with pytest.raises(ConfigError, match="IMAGEQUEUE_REDIS_URL lacks rights") as raised:
        connect(read(f"redis://shop:pw@127.0.0.1:{port}/0"))
    message = str(raised.value)
    assert words in message
    assert "give it `~* &* +@all -@admin" in message
    assert "\n" not in message


def test_an_info_without_its_usual_fields_is_no_traceback(
    overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = redis.Redis.info
    hidden = ("aof_", "maxmemory", "total_system_memory", "connected_slaves", "cluster")

    def report(client: redis.Redis, *sections: str) -> Any:
        found = info(client, *sections)
        if isinstance(client, Pipeline):
            return found
        return {name: value for name, value in found.items() if not name.startswith(hidden)}

    monkeypatch.setattr(redis.Redis, "info", report)
    with pytest.raises(ConfigError, match="IMAGEQUEUE_DURABILITY"):
        connect(read_settings(**overrides))
    settings = read_settings(**overrides, durability="memory")
    with connect(settings) as client, make_celery(settings) as celery:
        assert CHECKS["redis"](settings).endswith(Durability.NONE)
        assert CHECKS["redis memory"](settings).endswith("the limit is unknown")
        seen = take_snapshot(client, open_queues(settings, client, celery), {}, utc_now())
        names = {each.name for each in families(seen._replace(redis=client.info()), 16)}
    assert "imagequeue_redis_memory_max_bytes" in names
    assert "imagequeue_redis_aof_enabled" not in names


def test_the_doctor_names_valkey_and_its_own_version(
    overrides: dict[str, str], redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        version = client.info("server")["valkey_version"]
    assert CHECKS["redis"](read_settings(**overrides)).startswith(f"Valkey {version} evicts")


def test_a_wrong_password_is_named_and_not_shown(
    read: Callable[[str], Settings], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_redis, "RETRIES", 0)
    with pytest.raises(RedisUnavailableError, match="IMAGEQUEUE_REDIS_URL") as raised:
        connect(read(f"redis://:hunter2@127.0.0.1:{port}/0"))
    assert "hunter2" not in str(raised.value)
