"""A Redis behind TLS, and Sentinels: every client verifies the certificate."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from imagequeue.config import redis as config_redis
from imagequeue.config.celery import make_celery
from imagequeue.config.redis import connect, connect_briefly
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import RedisUnavailableError
from support.processes import find_command
from support.sentinels import running_tls_sentinel
from support.tls import certify


@pytest.fixture
def tls_url(redis_url: str, tmp_path: Path) -> Iterator[str]:
    """The Redis behind TLS, with a certificate that only `host.pem` vouches for."""
    context, path = certify(tmp_path), redis_url.removeprefix("unix://")
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, forth), pump(back, writer))

    start = asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server = loop.run_until_complete(start)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/1"
    asyncio.run_coroutine_threadsafe(stop(server), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def stop(server: asyncio.Server) -> None:
    server.close()
    own = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not own]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def ping(settings: Settings) -> None:
    connect(settings).close()


def ping_async(settings: Settings) -> None:
    async def ping_once() -> None:
        async with connect_briefly(settings) as client:
            await client.get("any")
            # redis-py leaves what it has asked the Sentinels over to the end of the process.
            if manager := getattr(client.connection_pool, "sentinel_manager", None):
                await manager.aclose()

    asyncio.run(ping_once())


def ping_broker(settings: Settings) -> None:
    with make_celery(settings) as celery, celery.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        connection.default_channel.client.ping()


@pytest.mark.parametrize("act", [ping, ping_async, ping_broker])
def test_only_a_trusted_certificate_is_accepted(
    tls_url: str, tmp_path: Path, act: Callable[[Settings], None]
) -> None:
    with pytest.raises((RedisError, RedisUnavailableError, OperationalError), match="CERTIFICATE"):
        act(read_settings(redis_url=tls_url))
    trusting = f"{tls_url}?ssl_ca_certs={tmp_path / 'host.pem'}"
    act(read_settings(redis_url=trusting))
    with pytest.raises((RedisError, RedisUnavailableError, OperationalError), match="CERTIFICATE"):
        act(read_settings(redis_url=trusting.replace("127.0.0.1", "localhost")))


@pytest.fixture(scope="module")
def tls_sentinel_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sentinel")
    with running_tls_sentinel(find_command("redis-server"), folder) as url:
        yield url


@pytest.mark.parametrize("act", [ping, ping_async, ping_broker])
def test_sentinels_behind_tls_lead_to_a_primary_behind_tls(
    tls_sentinel_url: str, act: Callable[[Settings], None]
) -> None:
    act(read_settings(redis_url=tls_sentinel_url))


def test_a_sentinel_whose_certificate_is_not_trusted_leads_nowhere(
    tls_sentinel_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_redis, "RETRIES", 0)
    untrusted, _, _ = tls_sentinel_url.partition("&ssl_ca_certs")
    with pytest.raises(RedisUnavailableError, match="No master found"):
        ping(read_settings(redis_url=untrusted))
