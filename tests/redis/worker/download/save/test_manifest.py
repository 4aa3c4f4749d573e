"""The manifest `job.json` beside the images: what made them, complete and without times."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.saving import save as saving
from imagequeue.worker.saving.save import MANIFEST
from support.hostile import Host, downloading, says, to_the_end
from support.stub import Stub
from support.worker.saves import PNG, is_stored, out_of_space, read_manifest, read_stored

PROMPT = 'a "café" 日本 🐈 \\ \n<b>'


def scratch(ctx: Context) -> list[Path]:
    return list(ctx.storage.scratch.glob("*"))


def put_manifest(ctx: Context, job_id: str, data: bytes) -> None:
    about = {"content_type": "application/json", "sha256": hashlib.sha256(data).hexdigest()}
    with ctx.storage.temporary() as file:
        file.write(data)
        ctx.storage.put(f"{job_id}/{MANIFEST}", file, **about)


def test_manifest_says_what_made_the_image(ctx: Context, stub: Stub, host: Host) -> None:
    params = {"aspect_ratio": "16:9"}
    about = {"prompt": PROMPT, "params": params, "metadata": {"sku": "A 7"}}
    job_id = downloading(ctx, stub, f"{host.url}/0?sig=1", **about)
    image = to_the_end(ctx, job_id).images[0]
    manifest = json.loads(read_stored(ctx, f"{job_id}/job.json"))
    assert manifest == {
        "job": {
            "id": job_id,
            "provider": "kie-flux-kontext",
            "action": "generate",
            "prompt": PROMPT,
            "image_urls": [],
            "params": params,
            "task_id": "task-1",
            "metadata": {"sku": "A 7"},
        },
        "images": [
            {
                "index": 0,
                "kind": "result",
                "name": f"{job_id}/0.png",
                "source_url": f"{host.url}/0?sig=1",
                "sha256": hashlib.sha256(PNG).hexdigest(),
                "bytes": len(PNG),
                "ignored_bytes": None,
                "content_type": "image/png",
                "width": 64,
                "height": 48,
            }
        ],
        "origins": [],
    }
    assert "日本 🐈".encode() in read_stored(ctx, f"{job_id}/job.json")
    assert ctx.storage.open(ctx.storage.uri(f"{job_id}/job.json")).content_type == (
        "application/json"
    )
    assert image.uri == ctx.storage.uri(f"{job_id}/0.png")
    assert (read_stored(ctx, f"{job_id}/0.png"), scratch(ctx)) == (PNG, [])


def test_manifest_holds_result_and_origin(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/a", f"{host.url}/b")
    to_the_end(ctx, job_id)
    images = read_manifest(ctx, job_id)
    assert [(each["index"], each["kind"]) for each in images] == [(0, "result"), (1, "origin")]
    assert [each["source_url"] for each in images] == [f"{host.url}/a", f"{host.url}/b"]


@pytest.mark.parametrize("damaged", [False, True], ids=["", "although it was damaged"])
def test_manifest_holds_images_saved_one_by_one(
    ctx: Context, stub: Stub, host: Host, damaged: bool
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/a", f"{host.url}/b")
    host.speak = lambda connection, asked: (
        says(503)(connection, asked) if asked.path == "/a" else says(200, PNG)(connection, asked)
    )
    assert download(ctx, job_id) == 5
    assert [each["index"] for each in read_manifest(ctx, job_id)] == [1]
    if damaged:
        put_manifest(ctx, job_id, b"{")
    host.speak = says(200, PNG)
    to_the_end(ctx, job_id)
    assert [each["index"] for each in read_manifest(ctx, job_id)] == [0, 1]


def test_frozen_worker_removes_nothing_from_manifest(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/a", f"{host.url}/b")
    before = ctx.store.get(job_id)
    to_the_end(ctx, job_id)
    saving.write_manifest(ctx, before, [saving.save(ctx, before, before.origins[0])])
    assert [each["index"] for each in read_manifest(ctx, job_id)] == [0, 1]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"images": [{}]}', b'{"images": 1}', b"\xff"])
def test_unreadable_manifest_is_replaced(ctx: Context, stub: Stub, host: Host, data: bytes) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    put_manifest(ctx, job_id, data)
    to_the_end(ctx, job_id)
    assert [each["width"] for each in read_manifest(ctx, job_id)] == [64]


def test_failed_manifest_leaves_image_pending(
    ctx: Context,
    stub: Stub,
    host: Host,
    written: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed, or failing, between image and manifest: both are there in the end, once."""
    job_id = downloading(ctx, stub, f"{host.url}/0")
    with monkeypatch.context() as patch:
        patch.setattr("imagequeue.worker.download.write_manifest", out_of_space)
        assert download(ctx, job_id) == 5
    (image,) = ctx.store.get(job_id).images
    assert (image.state, image.attempts, image.uri) == ("pending", 1, None)
    assert image.error == "[Errno 28] No space left on device"
    assert (is_stored(ctx, f"{job_id}/0.png"), is_stored(ctx, f"{job_id}/{MANIFEST}")) == (
        True,
        False,
    )
    before = written(job_id)
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED
    after = written(job_id)
    # The manifest alone was written.
    assert after == before + 1 if isinstance(before, int) else before.items() < after.items()
