"""No image is paid for while it could not be saved."""

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Celery

from imagequeue.config.process import CANNOT_START
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.storage import StorageError
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.context import Context
from imagequeue.worker.saving import storage_check
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, queued
from support.processes import BIN, Process
from support.stub import Stub
from support.worker.downloads import folder_of


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": stub.url,
        "download_trusted_hosts": urlsplit(stub.url).netloc,
    }


@pytest.fixture
def app(settings: Settings, clock: Clock) -> Celery:
    return make_worker_app(settings, now=clock)


def break_storage(ctx: Context) -> Path:
    folder = folder_of(ctx)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file in its place")
    return folder


def test_nothing_is_sent_while_the_storage_fails(
    app: Celery, ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_check, "CHECK_EVERY_S", -1)
    stub.answer = lambda *_: KIE_ACCEPTED
    job_id = queued(ctx)
    folder = break_storage(ctx)
    app.tasks["imagequeue.submit"](job_id)
    job = ctx.store.get(job_id)
    assert (stub.asked, job.state) == ([], State.QUEUED)
    folder.unlink()
    app.tasks["imagequeue.submit"](job_id)
    assert ctx.store.get(job_id).state is State.WAITING
    assert len(stub.posts) == 1


def test_storage_is_probed_once_for_many_submissions(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx.storage_check.require()
    shutil.rmtree(folder_of(ctx))
    break_storage(ctx)
    ctx.storage_check.require()
    monkeypatch.setattr(storage_check, "CHECK_EVERY_S", -1)
    with pytest.raises(StorageError, match="IMAGEQUEUE_STORAGE_URL"):
        ctx.storage_check.require()


def test_worker_refuses_to_start_on_an_unusable_storage(
    start: Callable[..., Process], overrides: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a file").touch()
    overrides["storage_url"] = (tmp_path / "a file").as_uri()
    command = (str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-P", "solo", "-Q")
    poll, *refused = (start(*command, queue) for queue in ("poll", "submit", "download"))
    for worker in refused:
        assert worker.popen.wait(60) == CANNOT_START
        last = worker.output.splitlines()[-1]
        assert last.startswith("imagequeue: ")
        assert last.endswith("change IMAGEQUEUE_STORAGE_URL")
    poll.wait_for(" ready.")
