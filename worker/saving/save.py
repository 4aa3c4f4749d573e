"""Save: store an image from its URL, and the manifest of a job's images.

The bytes go to a temporary file while they are hashed, are validated, and then stored under the
name that the job gives them. The manifest `job.json` in the job's folder says what made the images,
and makes them durable. The download step then records them in the job.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any

from ...config.queues import Queue
from ...config.tracing import span
from ...jobs.job import Image, Job, add_seconds
from ...providers.wire import INLINE
from ...storage import Temporary
from ...storage.media.validate import validate_media
from ..context import Context
from ..http.message import Write
from .choose_name import choose_name
from .fetch import Fetch, TooLargeError, UrlRefusedError

# A shorter fetch leaves most of the lease for storing the file.
QUICK_S = 1.0
MANIFEST = "job.json"

_JOB_FIELDS = {"id", "provider", "action", "prompt", "image_urls", "params", "task_id", "metadata"}
_IMAGE_FIELDS = {
    "index",
    "kind",
    "name",
    "source_url",
    "sha256",
    "bytes",
    "ignored_bytes",
    "content_type",
    "width",
    "height",
}
_json = json.JSONEncoder(ensure_ascii=False)


def save(ctx: Context, job: Job, image: Image) -> Image:
    """Return the image once stored; raises as Fetch.run does, NotMediaError or StorageError.

    It is durable only after `write_manifest`, which costs less for several images at once.
    """
    lease = _Lease(ctx, job)
    with span("save image", job.id) as saved, ctx.storage.temporary() as file:
        sha256, size = _download_to(ctx, job, image, file, lease)
        media = validate_media(file, lease.keep)
        # To store it in a bucket may take as long as the fetch did.
        lease.keep(min(QUICK_S, ctx.settings.lease_s / 10))
        name = choose_name(ctx, job, image, media.extension)
        uri = ctx.storage.put(
            name,
            file,
            content_type=media.content_type,
            sha256=sha256,
            # The manifest follows, into the job's own folder.
            more_follows=name.rpartition("/")[0] == job.id,
        )
        saved.set_attribute("imagequeue.bytes", size)
    return image.model_copy(
        update={
            "state": "stored",
            "saved_at": ctx.now(),
            "error": None,
            "name": name,
            "uri": uri,
            "sha256": sha256,
            "bytes": size,
            "ignored_bytes": media.ignored_bytes or None,
            "content_type": media.content_type,
            "width": media.width,
            "height": media.height,
        }
    )


class _Lease:
    """The lease of a job, extended during long work so that no other worker takes the job."""

    def __init__(self, ctx: Context, job: Job) -> None:
        self._ctx = ctx
        self._job_id = job.id
        self._extended_at = time.monotonic()

    def keep(self, after_s: float | None = None) -> None:
        """Extend the lease if `after_s` have passed since the last time; by default a third."""
        lease_s = self._ctx.settings.lease_s
        if time.monotonic() - self._extended_at > (lease_s / 3 if after_s is None else after_s):
            until = add_seconds(self._ctx.now(), lease_s)
            self._ctx.wakeups.set_wake_up(Queue.DOWNLOAD, self._job_id, until)
            self._extended_at = time.monotonic()


def _download_to(
    ctx: Context, job: Job, image: Image, file: Temporary, lease: _Lease
) -> tuple[str, int]:
    """Write an image's bytes to `file`; returns their SHA-256 in hex, and their number."""
    digest = hashlib.sha256()

    def write(piece: bytes) -> None:
        lease.keep()
        digest.update(piece)
        file.write(piece)

    url = image.refreshed_url or image.source_url
    if url.startswith(INLINE):
        size = _read_inline(ctx, job, url, write)
    else:
        size = Fetch(ctx.http, ctx.settings, url, write).run()
    return digest.hexdigest(), size


def _read_inline(ctx: Context, job: Job, url: str, write: Write) -> int:
    """Write an image that the provider's response held itself, and return its size."""
    content = ctx.inline_images.get(job.id, url)
    if content is None:
        raise UrlRefusedError("it came inside of the response, and was stored for a day")
    if len(content) > ctx.settings.download_max_bytes:
        raise TooLargeError(f"larger than {ctx.settings.download_max_bytes} bytes")
    write(content)
    return len(content)


def write_manifest(ctx: Context, job: Job, saved: Iterable[Image]) -> None:
    """Write `job.json` to the job's folder: the request, the task, and each stored image.

    After this the images in `saved` are durable. The manifest holds no times, so that writing it
    again results in the same file. Raises StorageError or OSError.
    """
    name = f"{job.id}/{MANIFEST}"
    images = {
        image.index: image.model_dump(mode="json", include=_IMAGE_FIELDS)
        for image in (*job.all_images, *saved)
        if image.state == "stored"
    }
    if len(images) < len(job.all_images):
        # A worker that was frozen past its lease knows fewer images than the one that took over.
        images = _read_manifest_images(ctx, name) | images
    listed = [images[index] for index in sorted(images)]
    manifest = {
        "job": job.model_dump(mode="json", include=_JOB_FIELDS),
        "images": [image for image in listed if image.get("kind") != "origin"],
        "origins": [image for image in listed if image.get("kind") == "origin"],
    }
    data = _json.encode(manifest).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    with ctx.storage.temporary() as file:
        file.write(data)
        ctx.storage.put(name, file, content_type="application/json", sha256=sha256)


def _read_manifest_images(ctx: Context, name: str) -> dict[int, Any]:
    """Return the images of the manifest by index; none if it is absent or unreadable."""
    try:
        data = b"".join(ctx.storage.open(ctx.storage.uri(name)).chunks)
        manifest = json.loads(data)
        listed = (*manifest["images"], *manifest.get("origins", ()))
        return {int(image["index"]): image for image in listed}
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return {}
