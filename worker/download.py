"""Download: save every image of a job to storage while its URL lives.

Each image is fetched, validated and stored, and progress is recorded every few seconds. A refused
URL is refreshed by the provider where it can do so; temporary failures are retried. The job then
has succeeded, or is unsaved if a result image could not be stored. `succeeded` means that every
result image is complete, validated and in storage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from ..config.logging import get_logger
from ..config.queues import Queue
from ..errors import InvalidTransitionError
from ..jobs.image import split_images
from ..jobs.job import Image, Job, JobError, State, add_seconds
from ..jobs.schedule import backoff
from ..providers.wire import INLINE
from ..storage import StorageError
from ..storage.media.validate import NotMediaError, UnsupportedMediaError
from ..store.due.wakeups import Priority
from .context import Context
from .http.errors import InvalidUrlError, NoResponseError, NotSentError, PrivateAddressError
from .saving.fetch import ServerUnavailableError, TooLargeError, UrlRefusedError
from .saving.host_slots import HostBusyError
from .saving.refresh_url import refresh_url
from .saving.save import save, write_manifest

log = get_logger(__name__)

# The URL or what it leads to is at fault; the provider may know a better one.
URL_FAILURES = (
    UrlRefusedError,
    InvalidUrlError,
    NotMediaError,
    PrivateAddressError,
    TooLargeError,
)
# Another try would not change these; only another URL may.
LASTING_FAILURES = (TooLargeError, PrivateAddressError, UnsupportedMediaError)
# The network, the image's server, the storage, or this machine's disk is at fault.
TEMPORARY_FAILURES = (
    NoResponseError,
    NotSentError,
    ServerUnavailableError,
    StorageError,
    OSError,
)
# Until an image is tried whose host had no slot free.
BUSY_RETRY_S = 2.0
# How often progress is recorded. After a crash, the images since the last record are fetched again
# and found to be stored.
RECORD_EVERY_S = 2.0


def download(ctx: Context, job_id: str) -> float | None:
    """Save a job's pending images; returns the seconds until the next try, or None if all ended."""
    job = ctx.load(job_id)
    _require_downloading(job)
    tried: dict[int, Image] = {}
    recorded_at = time.monotonic()
    for image in sorted(_pending_images(job), key=lambda image: image.expires_at):
        if tried and _should_yield(ctx, image):
            _record_progress(ctx, job, tried, _apply_and_yield)
            return None
        if time.monotonic() - recorded_at > min(RECORD_EVERY_S, ctx.settings.lease_s / 3):
            job = _record_progress(ctx, job, tried, _apply_progress)
            recorded_at = time.monotonic()
        tried[image.index] = _try_image(ctx, job, image)
    job = _record_progress(ctx, job, tried, _apply_and_finish)
    return min((_retry_delay_s(ctx, image) for image in _pending_images(job)), default=None)


def _require_downloading(job: Job) -> None:
    if job.state is not State.DOWNLOADING:
        raise InvalidTransitionError(f"{job.id} is {job.state}: there is nothing to download")


def _pending_images(job: Job) -> list[Image]:
    return [image for image in job.all_images if image.state == "pending"]


def _should_yield(ctx: Context, image: Image) -> bool:
    """Whether jobs with urgent deadlines wait, and this image is not urgent."""
    is_patient = Priority.of(image.expires_at, ctx.now()) is Priority.LOW
    return is_patient and ctx.dispatcher.has_normal_messages(Queue.DOWNLOAD)


def _try_image(ctx: Context, job: Job, image: Image) -> Image:
    """Return the image after one try to save it: stored, pending for the next try, or expired."""
    try:
        return _save_or_refresh(ctx, job, image)
    except HostBusyError:
        return image
    except LASTING_FAILURES as error:
        return _fail_image(image, error, give_up=True)
    except URL_FAILURES as error:
        # An origin image lives for minutes and was not asked for, so no job waits for it. The bytes
        # of an inline image are the same at each try.
        is_hopeless = image.kind == "origin" or image.source_url.startswith(INLINE)
        is_last = is_hopeless or image.attempts + 1 >= ctx.settings.download_attempts
        return _fail_image(image, error, give_up=is_last)
    except TEMPORARY_FAILURES as error:
        return _retry_until_expiry(ctx, image, error)


def _save_or_refresh(ctx: Context, job: Job, image: Image) -> Image:
    """Save the image, from a refreshed URL if its own fails."""
    try:
        return _save(ctx, job, image)
    except URL_FAILURES:
        found = refresh_url(ctx, job, image)
        if found is None:
            raise
    expires_at = add_seconds(ctx.now(), found.lifetime_s or ctx.settings.url_lifetime_s)
    refreshed = {"refreshed_url": found.url, "expires_at": expires_at}
    return _save(ctx, job, image.model_copy(update=refreshed))


def _save(ctx: Context, job: Job, image: Image) -> Image:
    stored = save(ctx, job, image)
    left_s = round((image.expires_at - ctx.now()).total_seconds())
    log.info("image_saved", index=image.index, bytes=stored.bytes, left_s=left_s)
    return stored


def _retry_until_expiry(ctx: Context, image: Image, error: Exception) -> Image:
    """Return the image after a temporary failure: it gets all its tries, and all its lifetime."""
    is_last = image.attempts + 1 >= ctx.settings.download_attempts
    return _fail_image(image, error, give_up=is_last and ctx.now() >= image.expires_at)


def _fail_image(image: Image, error: Exception, *, give_up: bool) -> Image:
    why = str(error) or type(error).__name__
    log.warning("image_not_saved", index=image.index, error=why, given_up=give_up)
    state = "expired" if give_up else "pending"
    update = {"attempts": image.attempts + 1, "state": state, "error": why}
    return image.model_copy(update=update)


def _retry_delay_s(ctx: Context, image: Image) -> float:
    """Return the backoff until the next try, shortened so that tries are left before expiry."""
    if not image.attempts:
        return BUSY_RETRY_S
    left_s = (image.expires_at - ctx.now()).total_seconds()
    delay_s = backoff(image.attempts)
    return min(delay_s, max(1.0, left_s / 2)) if left_s > 0 else delay_s


def _record_progress(
    ctx: Context,
    job: Job,
    tried: Mapping[int, Image],
    apply: Callable[[Context, Mapping[int, Image], Job], Job],
) -> Job:
    """Make the stored images durable, then apply a transition that takes what was tried."""
    pending = {image.index: image for image in _pending_images(job)}
    saved = {n: image for n, image in tried.items() if n in pending and image.state == "stored"}
    if saved:
        try:
            write_manifest(ctx, job, saved.values())
        except TEMPORARY_FAILURES as error:
            again = {index: _retry_until_expiry(ctx, pending[index], error) for index in saved}
            tried = {**tried, **again}
    job = ctx.transition(job, partial(apply, ctx, tried))
    stored = [image for image in job.all_images if image.state == "stored"]
    urls = [url or "" for image in stored for url in (image.source_url, image.refreshed_url)]
    ctx.inline_images.delete(job.id, [url for url in urls if url.startswith(INLINE)])
    return job


def _apply_progress(ctx: Context, tried: Mapping[int, Image], job: Job) -> Job:
    """Return the job with its images as tried, and a lease for the rest of the work."""
    _require_downloading(job)
    # What another worker has stored meanwhile stays stored.
    images = (
        each if each.state == "stored" else tried.get(each.index, each) for each in job.all_images
    )
    lease = add_seconds(ctx.now(), ctx.settings.lease_s)
    return job.evolve(lease, **split_images(images))


def _apply_and_yield(ctx: Context, tried: Mapping[int, Image], job: Job) -> Job:
    """Return the job due now, so that it is dispatched by the deadline of its next image."""
    return _apply_progress(ctx, tried, job).evolve(ctx.now())


def _apply_and_finish(ctx: Context, tried: Mapping[int, Image], job: Job) -> Job:
    """Return the job with its images as tried, finished if none is pending."""
    job = _apply_progress(ctx, tried, job)
    return job if _pending_images(job) else _finish(ctx, job)


def _finish(ctx: Context, job: Job) -> Job:
    """Return the job succeeded if every result image is stored, else unsaved."""
    now = ctx.now()
    expires_at = add_seconds(now, ctx.settings.finished_s)
    lost = [image for image in job.images if image.state != "stored"]
    if not lost:
        return job.transition_to(State.SUCCEEDED, "download", now, expires_at)
    message = f"{len(lost)} of {len(job.images)} images could not be saved: {lost[0].error}"
    error = JobError(message=message)
    return job.transition_to(State.UNSAVED, "download", now, expires_at, error=error)
