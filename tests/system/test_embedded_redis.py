"""The embedded Redis: acknowledged writes survive it, and no second server shares its files."""

import fcntl
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from imagequeue.config.celery import make_celery
from imagequeue.config.redis import connect, get_redis_url
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError
from imagequeue.producer.local import embedded_redis
from imagequeue.producer.local.embedded_redis import SOCKET_PATH_MAX, EmbeddedRedis
from imagequeue.storage import open_storage
from imagequeue.store.deployment.agreement import Deployment
from support.cli import imagequeue
from support.processes import Process, eventually

OWNER = """
import sys, time
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.config.settings import read_settings
print(EmbeddedRedis(read_settings(data_dir=sys.argv[1])).start(), "answers")
time.sleep(600)
"""

Start = Callable[..., Process]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(data_dir=tmp_path / "data")


@pytest.fixture
def server(settings: Settings) -> Iterator[EmbeddedRedis]:
    embedded = EmbeddedRedis(settings)
    embedded.start()
    yield embedded
    embedded.stop()


def server_process(embedded: EmbeddedRedis) -> psutil.Process:
    with redis.Redis.from_url(embedded.url) as client:
        return psutil.Process(client.info("server")["process_id"])


def set_and_kill(embedded: EmbeddedRedis, how: int) -> None:
    """Write a key, and end the server right after it acknowledged."""
    process = server_process(embedded)
    with redis.Redis.from_url(embedded.url) as client:
        client.set("job", "paid for")
    process.send_signal(how)
    eventually(lambda: embedded.exit_status is not None)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_acknowledged_writes_survive_the_server(server: EmbeddedRedis, how: int) -> None:
    set_and_kill(server, how)
    with redis.Redis.from_url(server.start()) as client:
        assert client.get("job") == b"paid for"


def test_stop_removes_the_address_and_the_next_start_finds_all(settings: Settings) -> None:
    for found in (None, b"paid for"):
        server = EmbeddedRedis(settings)
        server.start()
        with connect(settings) as client:
            assert client.get("job") == found
            client.set("job", "paid for")
        server.stop()
    with pytest.raises(ConfigError, match="no Redis: set IMAGEQUEUE_REDIS_URL, or run"):
        get_redis_url(settings)


def test_storage_is_adopted_while_up_does_not_run(settings: Settings, tmp_path: Path) -> None:
    other = {"data_dir": str(settings.data_dir), "storage_url": f"file://{tmp_path}/other"}
    assert "no Redis" in imagequeue("adopt", "--yes", settings=other).err
    images = [
        open_storage(url, settings.scratch) for url in (settings.images_url, other["storage_url"])
    ]
    server = EmbeddedRedis(settings)
    for before, after in (images, images[::-1]):
        server.start()
        with connect(settings) as client:
            Deployment(client).require_storage(before)
        server.stop()
        adopted = imagequeue("adopt", "--yes", settings=other | {"storage_url": after.url})
        assert f"archive of all processes is {settings.local_archive}" in adopted.out


def test_server_appends_every_write_and_evicts_nothing(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_socket_server_has_no_port_and_one_user(server: EmbeddedRedis, settings: Settings) -> None:
    assert server.url.startswith("unix://")
    assert not server_process(server).net_connections("inet")
    assert (settings.data_dir / "redis" / "redis.sock").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("letter", "beyond"), [("n", 1), ("ü", 0)])
def test_path_too_long_for_a_socket_gets_a_private_short_one(
    tmp_path_factory: pytest.TempPathFactory, letter: str, beyond: int
) -> None:
    folder = tmp_path_factory.mktemp("f")
    room = SOCKET_PATH_MAX - len(f"{folder}//redis/redis.sock")
    server = EmbeddedRedis(read_settings(data_dir=folder / (letter * (room + beyond))))
    before = server.start()
    try:
        private = Path(before.removeprefix("unix://")).parent
        assert private.stat().st_mode & 0o077 == 0
        assert not server_process(server).net_connections("inet")
        set_and_kill(server, signal.SIGKILL)
        assert server.start() == before
    finally:
        server.stop()
    assert not private.exists()


def test_socket_of_a_killed_owner_is_removed_at_the_next_start(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = read_settings(data_dir=tmp_path_factory.mktemp("f") / ("n" * SOCKET_PATH_MAX))
    killed, original = EmbeddedRedis(settings), EmbeddedRedis(settings)
    left = Path(killed.start().removeprefix("unix://"))
    killed.kill()
    assert left.exists()
    try:
        running = Path(original.start().removeprefix("unix://"))
        assert not left.parent.exists()
        copy = read_settings(data_dir=settings.data_dir.with_name("c" * SOCKET_PATH_MAX))
        copied = EmbeddedRedis(copy)
        copied.folder.mkdir(parents=True)
        shutil.copy(original.folder / "address", copied.folder)
        copied.start()
        copied.stop()
        assert running.exists()
    finally:
        original.stop()


def test_path_too_long_everywhere_names_the_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = settings.data_dir / ("n" * SOCKET_PATH_MAX)
    long.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(ConfigError, match="shorter IMAGEQUEUE_DATA_DIR or TMPDIR"):
        EmbeddedRedis(read_settings(data_dir=long)).start()


def test_path_with_characters_special_in_urls(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path / "50%20 #1?ü")
    server = EmbeddedRedis(settings)
    server.start()
    try:
        with make_celery(settings) as celery, celery.connection() as broker:
            broker.ensure_connection(max_retries=1)
    finally:
        server.stop()


def test_second_owner_is_refused_with_the_first_ones_pid(
    server: EmbeddedRedis, settings: Settings
) -> None:
    code = f"{OWNER.split('print')[0]}EmbeddedRedis(read_settings(data_dir=sys.argv[1])).start()"
    second = subprocess.run(
        [sys.executable, "-c", code, str(settings.data_dir)], capture_output=True, text=True
    )
    owner = server_process(server).ppid()
    (line,) = second.stderr.splitlines()[-1:]
    assert f"in use by an imagequeue that runs already (pid {owner}): stop it, or" in line
    assert "IMAGEQUEUE_DATA_DIR" in line


def test_orphaned_server_is_named_and_keeps_the_folder(start: Start, tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path / "owned")
    owner = start(sys.executable, "-c", OWNER, str(settings.data_dir))
    owner.wait_for("answers")
    with connect(settings) as client:
        orphan = psutil.Process(client.info("server")["process_id"])
        client.set("job", "paid for")
    owner.kill()
    try:
        with pytest.raises(ConfigError, match=rf"in use by the server \(pid {orphan.pid}\)"):
            EmbeddedRedis(settings).start()
    finally:
        orphan.terminate()
    eventually(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    third = EmbeddedRedis(settings)
    third.start()
    with connect(settings) as client:
        assert client.get("job") == b"paid for"
    third.stop()


def test_lock_of_a_server_that_has_ended_is_awaited(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.data_dir / "redis"
    folder.mkdir(parents=True)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    # As the last thread of an ending server does, it unlocks after the process is gone.
    holder = (folder / "lock").open("w")
    holder.write(f"{ended.pid} {ended.pid}")
    holder.flush()
    fcntl.flock(holder, fcntl.LOCK_EX)
    lock, tries = embedded_redis._try_lock, list[bool]()

    def try_lock(file: int) -> bool:
        is_locked = lock(file)
        tries.append(is_locked)
        holder.close()
        return is_locked

    monkeypatch.setattr(embedded_redis, "_try_lock", try_lock)
    server = EmbeddedRedis(settings)
    server.start()
    server.stop()
    assert tries == [False, True]
