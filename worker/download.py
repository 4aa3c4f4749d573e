"""Download: save every picture of a job while its URL lives; `succeeded` means verified bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from ..config.logging import get_logger
from ..config.queues import Queue
from ..errors import InvalidTransitionError
from ..jobs.job import Image, Job, JobError, State, add_seconds
from ..jobs.schedule import backoff
from ..storage import StorageError
from ..store.wakeups import Priority
from .context import Context
from .fetch import ServerUnavailableError, TooLargeError, UrlRefusedError
from .http.client import InvalidUrlError, NoResponseError, NotSentError
from .http.connections import PrivateAddressError
from .media.validate import NotMediaError
from .refresh_url import renew
from .save import keep_record, save

log = get_logger(__name__)

# The URL, or what lies behind it, is at fault: perhaps its provider knows a better one.
REFUSALS = (UrlRefusedError, InvalidUrlError, NotMediaError, PrivateAddressError)
# The network, the image's server, the storage, or this machine's disk.
TROUBLE = (NoResponseError, NotSentError, ServerUnavailableError, StorageError, OSError)


# What was saved is written down this often. A worker that is killed in between has its pictures
# fetched once more, and finds that they are there.
RECORD_EVERY_S = 2.0


def download(ctx: Context, job_id: str) -> float | None:
    """Fetch what is missing of a job; returns the seconds to the next try, if there is one."""
    job = ctx.load(job_id)
    _require_downloading(job)
    tried: dict[int, Image] = {}
    recorded_at = time.monotonic()
    for image in sorted(_pending(job), key=lambda image: image.expires_at):
        if tried and _should_make_way(ctx, image):
            _write_down(ctx, job, tried, _put_back)
            return None
        if time.monotonic() - recorded_at > min(RECORD_EVERY_S, ctx.settings.lease_s / 3):
            job = _write_down(ctx, job, tried, _recorded)
            recorded_at = time.monotonic()
        tried[image.index] = _tried(ctx, job, image)
    job = _write_down(ctx, job, tried, _recorded_or_finished)
    return min((_pause_s(ctx, image) for image in _pending(job)), default=None)


def _pending(job: Job) -> list[Image]:
    return [image for image in job.images if image.state == "pending"]


def _should_make_way(ctx: Context, image: Image) -> bool:
    """Whether others are in a hurry, and this image is not."""
    patient = Priority.of(image.expires_at, ctx.now()) is Priority.LOW
    return patient and ctx.dispatcher.has_normal_messages(Queue.DOWNLOAD)


def _tried(ctx: Context, job: Job, image: Image) -> Image:
    """The image after one try to save it: stored, to be tried again, or given up."""
    try:
        return _saved_or_renewed(ctx, job, image)
    except TooLargeError as error:
        return _failed(image, error, given_up=True)
    except REFUSALS as error:
        # No job waits for an origin that is gone: it lives for minutes, and nobody asked for it.
        last = image.kind == "origin" or image.attempts + 1 >= ctx.settings.download_attempts
        return _failed(image, error, given_up=last)
    except TROUBLE as error:
        return _in_trouble(ctx, image, error)


def _saved_or_renewed(ctx: Context, job: Job, image: Image) -> Image:
    """The image saved, from a renewed URL where its own is refused."""
    try:
        return _saved(ctx, job, image)
    except REFUSALS:
        fresh = renew(ctx, job, image)
        if fresh is None:
            raise
    expires_at = add_seconds(ctx.now(), fresh.lifetime_s or ctx.settings.url_lifetime_s)
    renewed = {"refreshed_url": fresh.url, "expires_at": expires_at}
    return _saved(ctx, job, image.model_copy(update=renewed))


def _saved(ctx: Context, job: Job, image: Image) -> Image:
    stored = save(ctx, job, image)
    left_s = round((image.expires_at - ctx.now()).total_seconds())
    log.info("picture saved", index=image.index, bytes=stored.bytes, left_s=left_s)
    return stored


def _in_trouble(ctx: Context, image: Image, error: Exception) -> Image:
    hopeless = image.attempts + 1 >= ctx.settings.download_attempts
    return _failed(image, error, given_up=hopeless and ctx.now() >= image.expires_at)


def _failed(image: Image, error: Exception, *, given_up: bool) -> Image:
    why = str(error) or type(error).__name__
    log.warning("picture not saved", index=image.index, error=why, given_up=given_up)
    state = "expired" if given_up else "pending"
    update = {"attempts": image.attempts + 1, "state": state, "error": why}
    return image.model_copy(update=update)


def _pause_s(ctx: Context, image: Image) -> float:
    """The pause before the next try: longer each time, but with tries to spare before the end."""
    left_s = (image.expires_at - ctx.now()).total_seconds()
    pause_s = backoff(image.attempts)
    return min(pause_s, max(1.0, left_s / 2)) if left_s > 0 else pause_s


def _write_down(
    ctx: Context,
    job: Job,
    tried: Mapping[int, Image],
    step: Callable[[Context, Mapping[int, Image], Job], Job],
) -> Job:
    """Move the job by a step that takes what was tried, whose pictures are durable before."""
    pending = {image.index: image for image in _pending(job)}
    saved = {n: image for n, image in tried.items() if n in pending and image.state == "stored"}
    if saved:
        try:
            keep_record(ctx, job, saved.values())
        except TROUBLE as error:
            again = {index: _in_trouble(ctx, pending[index], error) for index in saved}
            tried = {**tried, **again}
    return ctx.transition(job, partial(step, ctx, tried))


def _recorded(ctx: Context, tried: Mapping[int, Image], job: Job) -> Job:
    """The job with its images as they are now, and a lease for the rest of the work."""
    _require_downloading(job)
    # What another worker has stored meanwhile stays stored.
    images = tuple(
        each if each.state == "stored" else tried.get(each.index, each) for each in job.images
    )
    return job.evolve(add_seconds(ctx.now(), ctx.settings.lease_s), images=images)


def _recorded_or_finished(ctx: Context, tried: Mapping[int, Image], job: Job) -> Job:
    """The job with its images as they are now; after the last one at its end, in the same move."""
    job = _recorded(ctx, tried, job)
    return job if _pending(job) else _finished(ctx, job)


def _put_back(ctx: Context, tried: Mapping[int, Image], job: Job) -> Job:
    """The job due at once, in the place that its next image has."""
    return _recorded(ctx, tried, job).evolve(ctx.now())


def _finished(ctx: Context, job: Job) -> Job:
    """The job at its end: every result image stored, or paid for and not saved."""
    _require_downloading(job)
    now = ctx.now()
    over = add_seconds(now, ctx.settings.retention_s)
    lost = [image for image in job.images if image.kind == "result" and image.state != "stored"]
    if not lost:
        return job.transition_to(State.SUCCEEDED, "download", now, over)
    message = f"{len(lost)} of {len(job.images)} pictures could not be saved: {lost[0].error}"
    return job.transition_to(State.UNSAVED, "download", now, over, error=JobError(message=message))


def _require_downloading(job: Job) -> None:
    if job.state is not State.DOWNLOADING:
        raise InvalidTransitionError(f"{job.id} is {job.state}: there is nothing to download")
