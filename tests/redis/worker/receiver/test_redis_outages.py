"""The receiver without its Redis: senders are asked to come again, and nothing is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import redis
import requests

from imagequeue.config import redis as redis_module
from imagequeue.config.http.server import server_options
from imagequeue.config.settings import Settings, read_settings
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.application import (
    create_app,
)
from support.asgi import serving
from support.processes import eventually
from support.worker.receiver import SHORT_S, Start, post, run_receiver, url_of


@pytest.fixture
def own_redis(overrides: dict[str, str], tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, and the settings point to it."""
    server = EmbeddedRedis(read_settings(data_dir=tmp_path / "own"))
    overrides["redis_url"] = server.start()
    yield server
    server.stop()


def get(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def test_callbacks_are_503_until_redis_is_back(
    own_redis: EmbeddedRedis, start: Start, settings: Settings
) -> None:
    process, receiver = run_receiver(start)
    url = receiver + url_of(settings)
    assert (post(url), get(f"{receiver}/readyz")) == (200, 200)
    own_redis.kill()
    assert (post(url), get(f"{receiver}/readyz"), get(f"{receiver}/healthz")) == (503, 503, 200)
    own_redis.start()
    eventually(lambda: post(url) == 200)
    eventually(lambda: get(f"{receiver}/readyz") == 200)
    assert "Traceback" not in process.output


def test_callbacks_are_503_until_redis_unfreezes(
    own_redis: EmbeddedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "BRIEF_S", SHORT_S)
    with redis.Redis.from_url(own_redis.url) as client:
        server = psutil.Process(client.info("server")["process_id"])
    with serving(create_app(settings), **server_options()) as receiver:
        url = receiver + url_of(settings)
        server.suspend()
        try:
            with ThreadPoolExecutor(100) as pool:
                assert set(pool.map(post, [url] * 100)) == {503}
            assert (get(f"{receiver}/readyz"), get(f"{receiver}/healthz")) == (503, 200)
        finally:
            server.resume()
        eventually(lambda: post(url) == 200)
        eventually(lambda: get(f"{receiver}/readyz") == 200)


@pytest.mark.parametrize(
    ("setting", "broken", "good"), [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")]
)
def test_read_only_redis_makes_receiver_unready(
    receiver: str, settings: Settings, ctx: Context, setting: str, broken: str, good: str
) -> None:
    ctx.store.redis.config_set(setting, broken)
    try:
        assert get(f"{receiver}/readyz") == 503
        assert post(receiver + url_of(settings)) == 503
        assert get(f"{receiver}/healthz") == 200
    finally:
        ctx.store.redis.config_set(setting, good)
    assert get(f"{receiver}/readyz") == 200
