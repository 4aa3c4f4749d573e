"""The files of uploads that have ended are deleted, whatever was interrupted before."""

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.jobs.upload import Upload
from imagequeue.producer.client import LocalClient
from imagequeue.storage import Storage, StorageError
from imagequeue.store.broker import list_key
from imagequeue.store.due.wakeups import Priority
from imagequeue.store.images import keys as image_keys
from imagequeue.store.images.uploads import GRACE_S, Uploads
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.context import Context
from imagequeue.worker.delete_uploads import RETRY_LATER_S
from imagequeue.worker.sweep import sweep
from support.clock import Clock
from support.worker.downloads import files, make_image


@pytest.fixture
def app(settings: Settings, clock: Clock) -> Celery:
    return make_worker_app(settings, now=clock)


def upload(ctx: Context, tmp_path: Path) -> Upload:
    path = tmp_path / "cat.png"
    path.write_bytes(make_image())
    return LocalClient(ctx.settings, now=ctx.now).upload(path)


def count_messages(ctx: Context) -> Any:
    return ctx.store.redis.llen(list_key(Queue.DOWNLOAD, Priority.LOW))


def test_upload_is_deleted_a_day_after_its_end_and_not_before(
    ctx: Context, app: Celery, clock: Clock, tmp_path: Path
) -> None:
    first = upload(ctx, tmp_path)
    clock.advance(ctx.settings.retention_s + GRACE_S - 1)
    later = upload(ctx, tmp_path)
    sweep(ctx)
    assert count_messages(ctx) == 0
    clock.advance(1)
    sweep(ctx)
    sweep(ctx)
    assert count_messages(ctx) == 1
    assert first.name in files(ctx)
    app.tasks["imagequeue.delete_uploads"]()
    assert files(ctx) == [later.name]
    assert ctx.store.redis.zrange(image_keys.UPLOADS, 0, -1) == [later.name.encode()]


def test_crash_before_or_after_the_file_is_written_leaves_nothing(
    ctx: Context, app: Celery, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    ctx.storage_check.require()  # a first use writes the storage's id
    for owner, name in ((type(ctx.storage), "put"), (Uploads, "add")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, crash)
            with pytest.raises(KeyboardInterrupt):
                upload(ctx, tmp_path)
    assert len(files(ctx)) == 1
    clock.advance(ctx.settings.retention_s + GRACE_S)
    app.tasks["imagequeue.delete_uploads"]()
    assert files(ctx) == []
    assert not ctx.store.redis.exists(image_keys.UPLOADS)


def test_upload_that_cannot_be_deleted_is_tried_again(
    ctx: Context, app: Celery, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StorageError("read-only")

    kept = upload(ctx, tmp_path)
    clock.advance(1)
    other = upload(ctx, tmp_path)
    clock.advance(ctx.settings.retention_s + GRACE_S)
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "delete", refuse)
        app.tasks["imagequeue.delete_uploads"]()
    assert ctx.uploads.list_expired(ctx.now()) == [other.name]
    app.tasks["imagequeue.delete_uploads"]()
    assert files(ctx) == [kept.name]
    clock.advance(RETRY_LATER_S)
    app.tasks["imagequeue.delete_uploads"]()
    assert files(ctx) == []


def test_damaged_entry_stops_no_other(
    ctx: Context, app: Celery, clock: Clock, tmp_path: Path
) -> None:
    damaged: dict[bytes | str, float] = {b"\xff": 0, "../etc/passwd": 0}
    ctx.store.redis.zadd(image_keys.UPLOADS, damaged)
    upload(ctx, tmp_path)
    clock.advance(ctx.settings.retention_s + GRACE_S)
    app.tasks["imagequeue.delete_uploads"]()
    assert files(ctx) == []
    assert not ctx.store.redis.exists(image_keys.UPLOADS)
