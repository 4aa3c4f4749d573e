"""Hosts that would lose each other's images or callbacks refuse to start."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from conftest import Start

from imagequeue.config.process import CANNOT_START
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError, ImageQueueError
from imagequeue.producer.api.application import create_app
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.diagnose import CHECKS
from imagequeue.storage import Storage, StorageError, open_storage
from imagequeue.store.deployment import agreement as deployment
from imagequeue.store.deployment import keys
from imagequeue.store.deployment.agreement import Deployment
from imagequeue.worker.context import Context
from imagequeue.worker.saving import storage_check
from support.cli import imagequeue
from support.images import PNG
from support.processes import BIN
from support.worker.downloads import folder_of


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "READ_TIMEOUT_S", 0.3)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def open_folder(folder: Path) -> Storage:
    return open_storage(f"file://{folder}", folder)


def test_hosts_with_the_same_storage_agree(client: redis.Redis, tmp_path: Path) -> None:
    for _ in range(2):
        Deployment(client).require_storage(open_folder(tmp_path / "shared"))
    assert client.ttl(keys.STORAGE) == -1


def test_a_host_with_a_folder_of_its_own_is_refused(client: redis.Redis, tmp_path: Path) -> None:
    Deployment(client).require_storage(open_folder(tmp_path / "one"))
    with pytest.raises(ConfigError, match=r"two is not that of the other .* `imagequeue adopt`"):
        Deployment(client).require_storage(open_folder(tmp_path / "two"))
    assert not (tmp_path / "two").exists()


def test_many_first_starts_agree(client: redis.Redis, tmp_path: Path) -> None:
    def start(_: int) -> None:
        Deployment(client).require_storage(open_folder(tmp_path / "shared"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(start, range(8))) == [None] * 8


def test_a_first_start_that_died_binds_nobody_for_long(client: redis.Redis, tmp_path: Path) -> None:
    broken = open_folder(tmp_path / "a file")
    (tmp_path / "a file").write_text("")
    with pytest.raises(StorageError):
        Deployment(client).require_storage(broken)
    assert 0 < client.ttl(keys.STORAGE) <= deployment.CLAIM_S


def test_the_next_start_takes_the_place_of_one_that_died(
    client: redis.Redis, tmp_path: Path
) -> None:
    client.set(keys.STORAGE, "of the dead", px=600)
    storage = open_folder(tmp_path / "shared")
    Deployment(client).require_storage(storage)
    assert client.get(keys.STORAGE) == storage.read_id().encode()


def test_a_new_redis_takes_the_id_of_the_storage(client: redis.Redis, tmp_path: Path) -> None:
    storage = open_folder(tmp_path / "shared")
    Deployment(client).require_storage(storage)
    before = storage.read_id()
    client.flushall()
    Deployment(client).require_storage(storage)
    assert client.get(keys.STORAGE) == before.encode()


def test_a_share_that_is_not_mounted_stops_payments(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_check, "CHECK_EVERY_S", -1)
    ctx.storage_check.require()
    shutil.rmtree(folder_of(ctx))
    with pytest.raises(StorageError, match="is not that of the other processes"):
        ctx.storage_check.require()


def test_an_api_with_another_storage_does_not_start(
    settings: Settings, overrides: dict[str, str], tmp_path: Path
) -> None:
    create_app(settings)
    with pytest.raises(ConfigError, match="is not that of the other processes"):
        create_app(read_settings(**overrides | {"storage_url": f"file://{tmp_path}/other"}))


def test_an_upload_into_another_storage_is_refused(
    settings: Settings, overrides: dict[str, str], tmp_path: Path
) -> None:
    create_app(settings)
    (tmp_path / "cat.png").write_bytes(PNG)
    other = read_settings(**overrides | {"storage_url": f"file://{tmp_path}/other"})
    with pytest.raises(ConfigError, match="is not that of the other processes"):
        LocalClient(other).upload(tmp_path / "cat.png")


def test_a_worker_with_another_secret_does_not_start(
    ctx: Context, start: Start, overrides: dict[str, str]
) -> None:
    Deployment(ctx.store.redis).require_secrets("secret_key", [b"that of the others"])
    worker = start(str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-Q", "submit")
    assert worker.popen.wait(60) == CANNOT_START
    assert "IMAGEQUEUE_SECRET_KEY is not that of the other processes" in worker.output


def test_a_secret_is_changed_by_way_of_both(client: redis.Redis) -> None:
    require = Deployment(client).require_secrets
    require("secret_key", [b"old"])
    require("secret_key", [b"new", b"old"])
    require("secret_key", [b"old"])
    require("secret_key", [b"new", b"old"])
    require("secret_key", [b"new"])
    with pytest.raises(ConfigError, match="IMAGEQUEUE_SECRET_KEY"):
        require("secret_key", [b"old"])


def test_secrets_are_not_in_redis(client: redis.Redis) -> None:
    Deployment(client).require_secrets("secret_key", [b"hunter22"])
    stored = client.hgetall(keys.DEPLOYMENT)
    assert b"secret_key" in stored
    assert b"hunter22" not in b"".join(stored.values())


def test_adopting_makes_the_others_refuse(
    settings: Settings, overrides: dict[str, str], client: redis.Redis, tmp_path: Path
) -> None:
    create_app(settings)
    Deployment(client).require_secrets("secret_key", [b"old"])
    other = {**overrides, "storage_url": f"file://{tmp_path}/other"}
    with pytest.raises(ImageQueueError, match="`imagequeue adopt`"):
        CHECKS["deployment"](read_settings(**other))
    done = imagequeue("adopt", "--yes", settings=other)
    assert done.status == 0, done.err
    assert "other" in done.out
    create_app(read_settings(**other))
    Deployment(client).require_secrets("secret_key", [b"new"])
    with pytest.raises(ConfigError):
        create_app(settings)


def test_the_doctor_creates_no_id(settings: Settings, client: redis.Redis) -> None:
    CHECKS["deployment"](settings)
    assert not client.exists(keys.STORAGE)
