"""Images by a template: the name is the job's own, also after a crash, and never another job's."""

from pathlib import Path
from typing import Any

import pytest

from imagequeue.jobs.job import Job
from imagequeue.store.images import keys as image_keys
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.saving import save as saving
from support.hostile import Host, downloading, picture, says, to_the_end
from support.s3 import S3
from support.storage import names
from support.stub import Stub
from support.worker.saves import PNG, is_stored, read_manifest, read_stored

CAT = {"image_name": "cats/{metadata.sku}.{ext}", "metadata": {"sku": "A 7"}}


def start(ctx: Context, stub: Stub, host: Host, *paths: str, **fields: Any) -> str:
    urls = [f"{host.url}{path}" for path in paths or ("/0",)]
    return downloading(ctx, stub, *urls, **{**CAT, **fields})


def list_names(job: Job) -> list[str | None]:
    return [image.name for image in job.all_images]


def test_image_is_saved_by_its_name(ctx: Context, stub: Stub, host: Host) -> None:
    job = to_the_end(ctx, start(ctx, stub, host))
    (image,) = job.images
    assert (image.name, image.uri) == ("cats/A 7.png", ctx.storage.uri("cats/A 7.png"))
    assert (image.uri or "").endswith("cats/A%207.png")
    assert b"".join(ctx.storage.open(image.uri or "").chunks) == PNG
    assert [each["name"] for each in read_manifest(ctx, job.id)] == ["cats/A 7.png"]
    assert not is_stored(ctx, f"{job.id}/0.png")


def test_images_of_a_job_have_names_of_their_own(ctx: Context, stub: Stub, host: Host) -> None:
    job = to_the_end(ctx, start(ctx, stub, host, "/0", "/1"))
    assert list_names(job) == ["cats/A 7.png", "cats/A 7-2.png"]
    indexed = start(ctx, stub, host, "/0", "/1", image_name="{metadata.sku}/{index}")
    assert list_names(to_the_end(ctx, indexed)) == ["A 7/0.png", "A 7/1.png"]


def test_image_of_another_job_is_never_overwritten(ctx: Context, stub: Stub, host: Host) -> None:
    """Also where the same bytes are there, and once nobody remembers whose they are."""
    first = to_the_end(ctx, start(ctx, stub, host))
    for forget in (False, True):
        if forget:
            ctx.store.redis.delete(image_keys.image_name("cats/A 7.png"))
        for other in (PNG, picture(size=(8, 8))):
            host.speak = says(200, other)
            job = to_the_end(ctx, start(ctx, stub, host))
            assert list_names(job) == [f"cats/A 7-{job.id}.png"]
            assert read_stored(ctx, f"cats/A 7-{job.id}.png") == other
    assert list_names(first) == ["cats/A 7.png"]
    assert read_stored(ctx, "cats/A 7.png") == PNG


def test_foreign_file_is_never_overwritten(ctx: Context, stub: Stub, host: Host, s3: S3) -> None:
    with ctx.storage.temporary() as file:
        file.write(b"mine")
        ctx.storage.put("cats/A 7.png", file, content_type="image/png", sha256="0")
    job = to_the_end(ctx, start(ctx, stub, host))
    assert list_names(job) == [f"cats/A 7-{job.id}.png"]
    assert read_stored(ctx, "cats/A 7.png") == b"mine"


def test_killed_worker_saves_again_under_the_same_name(
    ctx: Context, stub: Stub, host: Host, s3: S3
) -> None:
    """Killed after it stored the image; the second download has other bytes."""
    job_id = start(ctx, stub, host)
    before = ctx.store.get(job_id)
    saving.save(ctx, before, before.images[0])
    host.speak = says(200, other := picture(size=(8, 8)))
    job = to_the_end(ctx, job_id)
    assert list_names(job) == ["cats/A 7.png"]
    assert read_stored(ctx, "cats/A 7.png") == other
    assert sorted(names(ctx.storage, s3)) == sorted(["cats/A 7.png", f"{job_id}/job.json"])


def test_claimed_name_goes_to_no_other_job(
    ctx: Context, stub: Stub, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers find the name free at once: only one of them gets it."""
    first, second = (ctx.store.get(start(ctx, stub, host)) for _ in range(2))
    is_free, others = ctx.storage.is_free, [second]

    def look_and_wait(name: str) -> bool:
        found = is_free(name)
        if others:
            other = others.pop()
            saving.save(ctx, other, other.images[0])
        return found

    monkeypatch.setattr(ctx.storage, "is_free", look_and_wait)
    saved = saving.save(ctx, first, first.images[0])
    assert saved.name == f"cats/A 7-{first.id}.png"
    assert is_stored(ctx, "cats/A 7.png")


def test_folder_that_is_a_file_costs_no_image(
    ctx: Context, stub: Stub, host: Host, kind: str
) -> None:
    to_the_end(ctx, start(ctx, stub, host, image_name="shelf"))
    job = to_the_end(ctx, start(ctx, stub, host, image_name="shelf.png/{index}"))
    expected = f"{job.id}/0.png" if kind == "file" else "shelf.png/0.png"
    assert list_names(job) == [expected]
    assert read_stored(ctx, expected) == PNG


def test_name_in_the_folder_of_the_job_is_not_claimed(ctx: Context, stub: Stub, host: Host) -> None:
    job = to_the_end(ctx, start(ctx, stub, host, image_name="{job}/{metadata.sku}"))
    assert list_names(job) == [f"{job.id}/A 7.png"]
    assert ctx.store.redis.keys(image_keys.image_name("*")) == []


def test_storage_that_does_not_answer_is_asked_again(
    ctx: Context, stub: Stub, host: Host, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = start(ctx, stub, host)
    if kind == "file":
        folder = Path(ctx.storage.scratch.parent)
        folder.mkdir(exist_ok=True)
        (folder / "cats").symlink_to("cats")
    with monkeypatch.context() as patch:
        if kind == "s3":
            patch.setattr(ctx.storage, "_opened", None)
        assert download(ctx, job_id) is not None
    assert ctx.store.get(job_id).images[0].state == "pending"
