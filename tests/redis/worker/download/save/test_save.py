"""Save: the same image is stored once, and a storage that fails is tried again."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagequeue.jobs.job import Image, Job, State
from imagequeue.producer.client import LocalClient
from imagequeue.storage import Temporary, buckets
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.saving import save as saving
from imagequeue.worker.saving.save import MANIFEST
from support.clock import Clock
from support.hostile import Host, downloading, picture, says, to_the_end
from support.s3 import S3, UNAVAILABLE
from support.stub import Stub
from support.worker.saves import PNG, is_stored, out_of_space, read_manifest, read_stored


def scratch(ctx: Context) -> list[Path]:
    return list(ctx.storage.scratch.glob("*"))


def save(ctx: Context, job: Job) -> Image:
    """Save a job's first image, as a download does."""
    image = saving.save(ctx, job, job.images[0])
    saving.write_manifest(ctx, job, [image])
    return image


def test_same_image_is_written_once(
    ctx: Context, stub: Stub, host: Host, clock: Clock, written: Callable[[str], Any]
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    job = ctx.store.get(job_id)
    first = save(ctx, job)
    before = written(job_id)
    assert before
    clock.advance(5)
    again = save(ctx, job)
    assert (again.uri, again.sha256) == (first.uri, first.sha256)
    assert written(job_id) == before
    assert (len(host.asked), scratch(ctx)) == (2, [])


@pytest.mark.parametrize(("quick_s", "snoozed"), [(60, 0), (0, 1)])
def test_slow_fetch_extends_the_lease(
    ctx: Context,
    stub: Stub,
    host: Host,
    quick_s: float,
    snoozed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = ctx.store.get(downloading(ctx, stub, f"{host.url}/0"))
    calls: list[Any] = []
    monkeypatch.setattr(ctx.wakeups, "set_wake_up", lambda *call: calls.append(call))
    monkeypatch.setattr(saving, "QUICK_S", quick_s)
    saving.save(ctx, job, job.images[0])
    assert [job_id for _, job_id, _ in calls] == [job.id] * snoozed


def test_other_bytes_replace_image_and_manifest(
    ctx: Context, stub: Stub, host: Host, written: Callable[[str], Any]
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    job = ctx.store.get(job_id)
    save(ctx, job)
    before = written(job_id)
    host.speak = says(200, picture(size=(9, 9)))
    save(ctx, job)
    assert written(job_id) != before
    assert [each["width"] for each in read_manifest(ctx, job_id)] == [9]
    assert read_stored(ctx, f"{job_id}/0.png") == picture(size=(9, 9))


def full_disk(ctx: Context, s3: S3, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(Temporary, "write", out_of_space)
    return "No space left on device"


def no_scratch(ctx: Context, s3: S3, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(Path, "mkdir", lambda *_, **__: out_of_space())
    return f"{ctx.storage.scratch} cannot be used: No space left on device"


def storage_away(ctx: Context, s3: S3, patch: pytest.MonkeyPatch) -> str:
    if ctx.storage.url.startswith("file"):
        patch.setattr(os, "replace", out_of_space)
        return "0.png cannot be written: No space left on device"
    patch.setitem(buckets.RETRY, "max_retries", 0)
    patch.setattr(s3, "gate", lambda _: UNAVAILABLE)
    return f"^{ctx.storage.url}: .*503"


def read_only(ctx: Context, s3: S3, patch: pytest.MonkeyPatch) -> str:
    if ctx.storage.url.startswith("file"):
        error = PermissionError(errno.EACCES, "Permission denied")
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(error))
        return "0.png cannot be written: Permission denied"
    gone = ("404 Not Found", b"<Error><Code>NoSuchBucket</Code></Error>")
    patch.setattr(s3, "gate", lambda _: gone)
    return "there is no such bucket"


@pytest.mark.parametrize("fault", [full_disk, no_scratch, storage_away, read_only])
def test_failing_storage_is_retried_until_expiry(
    ctx: Context,
    stub: Stub,
    host: Host,
    clock: Clock,
    s3: S3,
    fault: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    with monkeypatch.context() as patch:
        error = fault(ctx, s3, patch)
        for _ in range(3):
            assert download(ctx, job_id) is not None
        (image,) = ctx.store.get(job_id).images
        assert (image.state, image.attempts) == ("pending", 3)
        assert image.error
        assert re.search(error, image.error), image.error
        clock.advance(60)
        assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert (job.state, scratch(ctx)) == (State.UNSAVED, [])
    assert not is_stored(ctx, f"{job_id}/0.png")
    assert stub.asked == []  # the URL is not to blame: no refresh
    LocalClient(ctx.settings, now=ctx.now).retry(job_id)
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED
    assert read_stored(ctx, f"{job_id}/0.png") == PNG


def test_storage_back_in_time_loses_nothing(
    ctx: Context,
    stub: Stub,
    host: Host,
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    with monkeypatch.context() as patch:
        storage_away(ctx, s3, patch)
        assert download(ctx, job_id) == 5
    job = to_the_end(ctx, job_id)
    assert (job.state, job.images[0].error) == (State.SUCCEEDED, None)
    assert is_stored(ctx, f"{job_id}/{MANIFEST}")
