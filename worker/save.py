"""Save: images from their URLs to their names in storage, verified on the way, and their record."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from ..config.queues import Queue
from ..jobs.job import Image, Job, add_seconds
from ..storage import Temporary
from .context import Context
from .fetch import Fetch
from .media.validate import validate_media

# What takes no longer leaves most of a lease for what follows.
QUICK_S = 1.0
RECORD = "job.json"

_MADE_BY = {"id", "provider", "action", "prompt", "image_urls", "params", "task_id"}
_ABOUT = {"index", "kind", "source_url", "sha256", "bytes", "content_type", "width", "height"}
_json = json.JSONEncoder(ensure_ascii=False)


def save(ctx: Context, job: Job, image: Image) -> Image:
    """The image once it is stored; raises what Fetch does, NotMediaError or StorageError.

    Its name is durable only after `keep_record`, which is cheaper for several at once.
    """
    started = time.monotonic()
    with ctx.storage.temporary() as file:
        sha256, size = _written(ctx, job, image, file)
        media = validate_media(file)
        # Where it goes to a bucket, that may take as long as the transfer did.
        if time.monotonic() - started > min(QUICK_S, ctx.settings.lease_s / 10):
            _stay_awake(ctx, job)
        uri = ctx.storage.put(
            f"{job.id}/{image.index}.{media.extension}",
            file,
            content_type=media.content_type,
            sha256=sha256,
            more_follows=True,
        )
    return image.model_copy(
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


def _written(ctx: Context, job: Job, image: Image, file: Temporary) -> tuple[str, int]:
    """The SHA-256 in hex and the size of what was written to `file`."""
    digest, size = hashlib.sha256(), 0
    url = image.refreshed_url or image.source_url
    for chunk in Fetch(ctx.http, ctx.settings, url, partial(_stay_awake, ctx, job)):
        digest.update(chunk)
        size += file.write(chunk)
    return digest.hexdigest(), size


def _stay_awake(ctx: Context, job: Job) -> None:
    """Keep the job to this worker for another lease."""
    ctx.wakeups.wake_at(Queue.DOWNLOAD, job.id, add_seconds(ctx.now(), ctx.settings.lease_s))


def keep_record(ctx: Context, job: Job, saved: Iterable[Image]) -> None:
    """Keep beside a job's pictures what made them, for whoever finds them without this queue.

    Then they are durable, with all that `saved` names. Nothing in the record tells when they were
    saved: saved again, it is the same file. Raises StorageError or OSError.
    """
    name = f"{job.id}/{RECORD}"
    images = {
        image.index: image.model_dump(mode="json", include=_ABOUT)
        for image in (*job.images, *saved)
        if image.state == "stored"
    }
    if len(images) < len(job.images):
        # A worker that was frozen past its lease knows less than the one that took over its job.
        images = _images_on_record(ctx, name) | images
    record = {
        "job": job.model_dump(mode="json", include=_MADE_BY),
        "images": [images[index] for index in sorted(images)],
    }
    data = _json.encode(record).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    with ctx.storage.temporary() as file:
        file.write(data)
        ctx.storage.put(name, file, content_type="application/json", sha256=sha256)


def _images_on_record(ctx: Context, name: str) -> dict[int, Any]:
    """What the record says already, by index; nothing if it is not there, or not readable."""
    try:
        data = b"".join(ctx.storage.open(ctx.storage.uri(name)).chunks)
        return {int(image["index"]): image for image in json.loads(data)["images"]}
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return {}
