"""A Redis that is restored from an older file pays for nothing again before a person says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, rmtree
from urllib.parse import urlsplit

import pytest
from celery import Celery

from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.store.deployment import keys, progress
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.saving import storage_check
from support.jobs import KIE_ACCEPTED, queued
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    host = urlsplit(stub.url).netloc
    return {**overrides, "kie_base_url": stub.url, "download_trusted_hosts": host}


@pytest.fixture(autouse=True)
def _each_look_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_check, "CHECK_EVERY_S", -1)


@contextmanager
def restarted(overrides: dict[str, str]) -> Iterator[Celery]:
    """A worker's app on a Redis of its own, which keeps its file."""
    server = EmbeddedRedis(read_settings(**{**overrides, "redis_url": ""}))
    overrides["redis_url"] = server.start()
    app = make_worker_app(read_settings(**overrides))
    try:
        yield app
    finally:
        app.close()
        server.stop()


def submit(app: Celery, job_id: str) -> State:
    app.tasks["imagequeue.submit"](job_id)
    return app.context.store.get(job_id).state


@pytest.mark.parametrize("release", ["this release", "an earlier release, without a number"])
def test_a_restored_job_is_not_paid_again(
    overrides: dict[str, str], stub: Stub, tmp_path: Path, release: str
) -> None:
    stub.answer = lambda *_: KIE_ACCEPTED
    file, backup = Path(overrides["data_dir"]), tmp_path / "backup"
    with restarted(overrides) as app:
        app.context.storage_check.require()
        job_id = queued(app.context)
    copytree(file, backup)
    with restarted(overrides) as app:
        app.context.store.redis.delete(keys.PROGRESS_TURN)  # a minute later
        assert submit(app, job_id) is State.WAITING
    rmtree(file / "redis")
    copytree(backup / "redis", file / "redis")
    with restarted(overrides) as app:
        if release != "this release":
            app.context.store.redis.delete(keys.PROGRESS)
        pauses = app.context.pauses
        assert submit(app, job_id) is State.QUEUED
        (pause,) = pauses.list_all(app.context.now())
        assert (pause.name, pause.reason) == ("all", progress.REASON)
        assert len(stub.posts) == 1
        pauses.resume("all")
        assert submit(app, job_id) is State.WAITING, "a person has said so"
