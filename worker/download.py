"""Download: save every picture of a job while its URL lives; `succeeded` means verified bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import requests

from ..config.logs import get_logger
from ..config.queues import Queue
from ..errors import MoveRefusedError
from ..jobs.job import Image, Job, JobError, State, after
from ..jobs.schedule import backoff
from .connections import CHUNK_BYTES, PrivateAddressError
from .context import Context
from .http import NoAnswerError, NotSentError
from .media import NotMediaError

log = get_logger(__name__)

# Statuses of a server in trouble; any other refusal is about this URL and counts as a try.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class TroubledServerError(Exception):
    """The image host is in trouble: worth asking again for as long as the URL lives."""


class DeadURLError(Exception):
    """The URL itself is refused, or leads to nothing that can be saved."""


def download(ctx: Context, job_id: str) -> float | None:
    """Fetch what is missing of a job; returns the seconds to the next try, if there is one."""
    job = ctx.load(job_id)
    if job.state is not State.DOWNLOADING:
        raise MoveRefusedError(f"{job_id} is {job.state}: there is nothing to download")
    for image in job.images:
        if image.state == "pending":
            job = ctx.move(job_id, partial(_recorded, ctx, _fetched(ctx, job, image)))
    pending = [image for image in job.images if image.state == "pending"]
    if pending:
        return backoff(min(image.attempts for image in pending))
    ctx.move(job_id, partial(_finished, ctx))
    return None


def _fetched(ctx: Context, job: Job, image: Image) -> Image:
    """The image after one try to save it: stored, to be tried again, or given up."""
    try:
        stored = ctx.storage.save(job.id, image.index, _chunks(ctx, job, image.source_url))
    except (DeadURLError, NotMediaError, PrivateAddressError) as error:
        log.warning("picture not saved", index=image.index, error=str(error))
        # No job waits for an origin that is gone: it lives for minutes, and nobody asked for it.
        last = image.kind == "origin" or image.attempts + 1 >= ctx.settings.download_attempts
        return _tried(image, last)
    # The network, the image's server, or the disk it should be written to.
    except (NoAnswerError, NotSentError, TroubledServerError, OSError) as error:
        log.warning("picture not saved", index=image.index, error=str(error))
        hopeless = image.attempts + 1 >= ctx.settings.download_attempts
        return _tried(image, hopeless and ctx.now() >= image.expires_at)
    log.info("picture saved", index=image.index, bytes=stored.bytes)
    return image.model_copy(
        update={
            "state": "stored",
            "uri": stored.uri,
            "sha256": stored.sha256,
            "bytes": stored.bytes,
            "content_type": stored.media.content_type,
            "width": stored.media.width,
            "height": stored.media.height,
        }
    )


def _tried(image: Image, given_up: bool) -> Image:
    state = "expired" if given_up else "pending"
    return image.model_copy(update={"attempts": image.attempts + 1, "state": state})


def _chunks(ctx: Context, job: Job, url: str) -> Iterator[bytes]:
    """The bytes behind a result URL; the job's lease is renewed while they come."""
    settings = ctx.settings
    deadline = time.monotonic() + settings.download_timeout_s
    renew_at = time.monotonic() + settings.lease_s / 3
    size = 0
    with ctx.http.exchange("GET", url, deadline=deadline, guarded=True) as response:
        if response.status_code in TRANSIENT_STATUSES:
            raise TroubledServerError(f"HTTP {response.status_code}")
        if response.status_code != requests.codes.ok:
            raise DeadURLError(f"HTTP {response.status_code}")
        while chunk := response.raw.read(CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            if size > settings.download_max_bytes:
                raise DeadURLError(f"larger than {settings.download_max_bytes} bytes")
            if time.monotonic() > renew_at:
                ctx.store.snooze(Queue.DOWNLOAD, job.id, after(ctx.now(), settings.lease_s))
                renew_at = time.monotonic() + settings.lease_s / 3
            yield chunk


def _recorded(ctx: Context, image: Image, job: Job) -> Job:
    """The job with one image as it is now, and a lease for the rest of the work."""
    _require_downloading(job)
    # What another worker has stored meanwhile stays stored.
    images = tuple(
        image if each.index == image.index and each.state != "stored" else each
        for each in job.images
    )
    return job.amended(after(ctx.now(), ctx.settings.lease_s), images=images)


def _finished(ctx: Context, job: Job) -> Job:
    """The job at its end: every result image stored, or paid for and not saved."""
    _require_downloading(job)
    now = ctx.now()
    over = after(now, ctx.settings.retention_s)
    lost = sum(image.kind == "result" and image.state != "stored" for image in job.images)
    if not lost:
        return job.to(State.SUCCEEDED, "download", now, over)
    error = JobError(message=f"{lost} of {len(job.images)} pictures could not be saved")
    return job.to(State.UNSAVED, "download", now, over, error=error)


def _require_downloading(job: Job) -> None:
    if job.state is not State.DOWNLOADING:
        raise MoveRefusedError(f"{job.id} is {job.state}: somebody else was first")
