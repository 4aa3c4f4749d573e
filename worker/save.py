"""Save: one image from its URL to its name in storage, verified on the way, with its record."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

from ..config.queues import Queue
from ..jobs.job import Image, Job, after
from .context import Context
from .fetch import Fetch
from .media import examine


def save(ctx: Context, job: Job, image: Image) -> Image:
    """The image once it is stored; raises what Fetch does, NotMediaError or StorageError."""
    with ctx.storage.temporary() as path:
        sha256, size = _written(ctx, job, image, path)
        media = examine(path)
        name = f"{job.id}/{image.index}"
        # What follows may take as long as the transfer did, where it goes to a bucket.
        _stay_awake(ctx, job)
        uri = ctx.storage.put(
            f"{name}.{media.extension}", path, content_type=media.content_type, sha256=sha256
        )
    image = image.model_copy(
        update={
            "state": "stored",
            "saved_at": ctx.now(),
            "error": None,
            "uri": uri,
            "sha256": sha256,
            "bytes": size,
            "content_type": media.content_type,
            "width": media.width,
            "height": media.height,
        }
    )
    _put_record(ctx, job, image, f"{name}.json")
    return image


def _written(ctx: Context, job: Job, image: Image, path: Path) -> tuple[str, int]:
    """The SHA-256 in hex and the size of what was written to `path`."""
    digest = hashlib.sha256()
    url = image.renewed_url or image.source_url
    with path.open("wb") as file:
        for chunk in Fetch(ctx.http, ctx.settings, url, partial(_stay_awake, ctx, job)):
            digest.update(chunk)
            file.write(chunk)
        return digest.hexdigest(), file.tell()


def _stay_awake(ctx: Context, job: Job) -> None:
    """Keep the job to this worker for another lease."""
    ctx.store.snooze(Queue.DOWNLOAD, job.id, after(ctx.now(), ctx.settings.lease_s))


def _put_record(ctx: Context, job: Job, image: Image, name: str) -> None:
    """Keep beside a picture what made it, for whoever finds the picture without this queue.

    Nothing in it tells when it was saved: saved again, it is the same file.
    """
    made_by = {"id", "provider", "action", "prompt", "image_urls", "params", "task_id"}
    about = {"index", "kind", "source_url", "sha256", "bytes", "content_type", "width", "height"}
    record = {
        "job": job.model_dump(mode="json", include=made_by),
        "image": image.model_dump(mode="json", include=about),
    }
    data = json.dumps(record, ensure_ascii=False, indent=1).encode()
    with ctx.storage.temporary() as path:
        path.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        ctx.storage.put(name, path, content_type="application/json", sha256=sha256)
