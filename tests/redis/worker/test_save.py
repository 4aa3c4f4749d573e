"""Save: a picture and its record, once each; storage in trouble costs tries and nothing else."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagequeue.jobs.job import Image, Job, State
from imagequeue.producer.client import Client
from imagequeue.storage import Temporary, buckets
from imagequeue.worker import save as saving
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.save import RECORD
from support.clock import Clock
from support.hostile import Host, downloading, hosting, picture, says, to_the_end
from support.s3 import S3, UNAVAILABLE
from support.stub import Stub

PNG = picture()
PROMPT = 'a "café" 日本 🐈 \\ \n<b>'


@pytest.fixture(params=["file", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as one:
        one.speak = says(200, PNG)
        yield one


@pytest.fixture
def overrides(
    overrides: dict[str, str],
    stub: Stub,
    host: Host,
    kind: str,
    s3: S3,
    tmp_path: Path,
) -> dict[str, str]:
    at = f"file://{tmp_path}/pictures" if kind == "file" else f"s3://images/{tmp_path.name}"
    mine = {"kie_base_url": stub.url, "download_trusted_hosts": host.netloc, "storage_url": at}
    return {**overrides, **mine, "download_attempts": "2"}


def kept(ctx: Context, name: str) -> bytes:
    return b"".join(ctx.storage.open(ctx.storage.uri(name)).chunks)


def is_kept(ctx: Context, name: str) -> bool:
    try:
        return bool(kept(ctx, name))
    except FileNotFoundError:
        return False


def scratch(ctx: Context) -> list[Path]:
    return list(ctx.storage.scratch.glob("*"))


def on_record(ctx: Context, job_id: str) -> list[dict[str, Any]]:
    """What the record says of the pictures."""
    images: list[dict[str, Any]] = json.loads(kept(ctx, f"{job_id}/{RECORD}"))["images"]
    return images


def put_record(ctx: Context, job_id: str, data: bytes) -> None:
    about = {"content_type": "application/json", "sha256": hashlib.sha256(data).hexdigest()}
    with ctx.storage.temporary() as file:
        file.write(data)
        ctx.storage.put(f"{job_id}/{RECORD}", file, **about)


def save(ctx: Context, job: Job) -> Image:
    """Save a job's first picture, as a download does."""
    image = saving.save(ctx, job, job.images[0])
    saving.write_record(ctx, job, [image])
    return image


def test_beside_a_picture_lies_what_made_it(ctx: Context, stub: Stub, host: Host) -> None:
    params = {"aspect_ratio": "16:9"}
    job_id = downloading(ctx, stub, f"{host.url}/0?sig=1", prompt=PROMPT, params=params)
    image = to_the_end(ctx, job_id).images[0]
    record = json.loads(kept(ctx, f"{job_id}/job.json"))
    assert record == {
        "job": {
            "id": job_id,
            "provider": "kie-flux-kontext",
            "action": "generate",
            "prompt": PROMPT,
            "image_urls": [],
            "params": params,
            "task_id": "task-1",
        },
        "images": [
            {
                "index": 0,
                "kind": "result",
                "source_url": f"{host.url}/0?sig=1",
                "sha256": hashlib.sha256(PNG).hexdigest(),
                "bytes": len(PNG),
                "content_type": "image/png",
                "width": 64,
                "height": 48,
            }
        ],
    }
    assert "日本 🐈".encode() in kept(ctx, f"{job_id}/job.json")
    assert ctx.storage.open(ctx.storage.uri(f"{job_id}/job.json")).content_type == (
        "application/json"
    )
    assert image.uri == ctx.storage.uri(f"{job_id}/0.png")
    assert (kept(ctx, f"{job_id}/0.png"), scratch(ctx)) == (PNG, [])


def test_a_result_and_its_origin_are_on_record(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/a", f"{host.url}/b")
    to_the_end(ctx, job_id)
    records = on_record(ctx, job_id)
    assert [(each["index"], each["kind"]) for each in records] == [(0, "result"), (1, "origin")]
    assert [each["source_url"] for each in records] == [f"{host.url}/a", f"{host.url}/b"]


@pytest.mark.parametrize("damaged", [False, True], ids=["", "although it was damaged"])
def test_pictures_that_are_saved_one_after_the_other_are_all_on_record(
    ctx: Context, stub: Stub, host: Host, damaged: bool
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/a", f"{host.url}/b")
    host.speak = lambda connection, asked: (
        says(503)(connection, asked) if asked.path == "/a" else says(200, PNG)(connection, asked)
    )
    assert download(ctx, job_id) == 5
    assert [each["index"] for each in on_record(ctx, job_id)] == [1]
    if damaged:
        put_record(ctx, job_id, b"{")
    host.speak = says(200, PNG)
    to_the_end(ctx, job_id)
    assert [each["index"] for each in on_record(ctx, job_id)] == [0, 1]


def test_a_worker_that_was_frozen_takes_nothing_off_the_record(
    ctx: Context, stub: Stub, host: Host
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/a", f"{host.url}/b")
    before = ctx.store.get(job_id)
    to_the_end(ctx, job_id)
    saving.write_record(ctx, before, [saving.save(ctx, before, before.images[1])])
    assert [each["index"] for each in on_record(ctx, job_id)] == [0, 1]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"images": [{}]}', b'{"images": 1}', b"\xff"])
def test_a_record_that_cannot_be_read_is_replaced(
    ctx: Context, stub: Stub, host: Host, data: bytes
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    put_record(ctx, job_id, data)
    to_the_end(ctx, job_id)
    assert [each["width"] for each in on_record(ctx, job_id)] == [64]


@pytest.fixture
def written(ctx: Context, kind: str, s3: S3) -> Callable[[str], Any]:
    """What changes whenever something of a job is written."""

    def look(job_id: str) -> Any:
        if kind == "s3":
            return s3.writes
        folder = ctx.storage.scratch.parent / job_id
        return {
            path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_ctime_ns)
            for path in folder.iterdir()
        }

    return look


def test_a_second_download_of_the_same_picture_writes_nothing(
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
def test_a_slow_transfer_has_a_whole_lease_for_its_upload(
    ctx: Context,
    stub: Stub,
    host: Host,
    quick_s: float,
    snoozed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = ctx.store.get(downloading(ctx, stub, f"{host.url}/0"))
    calls: list[Any] = []
    monkeypatch.setattr(ctx.store, "wake_at", lambda *call: calls.append(call))
    monkeypatch.setattr(saving, "QUICK_S", quick_s)
    saving.save(ctx, job, job.images[0])
    assert [job_id for _, job_id, _ in calls] == [job.id] * snoozed


def test_other_bytes_at_the_second_download_replace_both(
    ctx: Context, stub: Stub, host: Host, written: Callable[[str], Any]
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    job = ctx.store.get(job_id)
    save(ctx, job)
    before = written(job_id)
    host.speak = says(200, picture(size=(9, 9)))
    save(ctx, job)
    assert written(job_id) != before
    assert [each["width"] for each in on_record(ctx, job_id)] == [9]
    assert kept(ctx, f"{job_id}/0.png") == picture(size=(9, 9))


def test_a_record_that_cannot_be_kept_leaves_the_picture_to_be_saved_again(
    ctx: Context,
    stub: Stub,
    host: Host,
    written: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed, or in trouble, between picture and record: both are there in the end, once."""
    job_id = downloading(ctx, stub, f"{host.url}/0")
    with monkeypatch.context() as patch:
        patch.setattr("imagequeue.worker.download.write_record", out_of_space)
        assert download(ctx, job_id) == 5
    (image,) = ctx.store.get(job_id).images
    assert (image.state, image.attempts, image.uri) == ("pending", 1, None)
    assert image.error == "[Errno 28] No space left on device"
    assert (is_kept(ctx, f"{job_id}/0.png"), is_kept(ctx, f"{job_id}/{RECORD}")) == (True, False)
    before = written(job_id)
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED
    after = written(job_id)
    # The record alone was written.
    assert after == before + 1 if isinstance(before, int) else before.items() < after.items()


# Faults


def out_of_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


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


@pytest.mark.parametrize("trouble", [full_disk, no_scratch, storage_away, read_only])
def test_storage_in_trouble_is_tried_again_for_as_long_as_the_url_lives(
    ctx: Context,
    stub: Stub,
    host: Host,
    clock: Clock,
    s3: S3,
    trouble: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    with monkeypatch.context() as patch:
        error = trouble(ctx, s3, patch)
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
    assert not is_kept(ctx, f"{job_id}/0.png")
    assert stub.asked == []  # the URL is not to blame: no renewal
    Client(ctx.settings, now=ctx.now).retry(job_id)
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED
    assert kept(ctx, f"{job_id}/0.png") == PNG


def test_storage_that_comes_back_in_time_loses_nothing(
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
    assert is_kept(ctx, f"{job_id}/{RECORD}")
