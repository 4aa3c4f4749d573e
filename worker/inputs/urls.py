"""Look at the input URLs of a job just before its paid request, without paying for a faulty one.

The intent to pay is not recorded yet, and a job that leaves here gives its permit back unused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from ...config.logging import get_logger
from ...jobs.chain import Inputs
from ...jobs.job import Job, JobError, Reason, add_seconds
from ...jobs.schedule import backoff
from ...providers import get as get_provider
from ...providers.image_bounds import ImageBounds, ImageFacts
from ...storage.media.head import read_head
from ...storage.media.validate import NotMediaError, UnsupportedImageError
from ...store.images.looks import Look
from ...store.submit.queue import Permit
from ..apply_status import as_failed, require_queued
from ..context import Context
from ..http.errors import InvalidUrlError, NoResponseError, NotSentError, PrivateAddressError
from ..http.message import Request, Response
from ..refusals import INPUT
from ..saving.fetch import TRANSIENT_STATUSES
from .hand_over import HAND_OVER_S

log = get_logger(__name__)

HEAD_BYTES = 256 * 1024
LOOK_S = 8.0
CHECK_S = 20.0
"""How long all URLs of a job may take; those that are left count as not reached."""
MAX_TRIES = 3
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_TOTAL_BYTES = re.compile(r"bytes \d+-\d+/(\d+)")


class _Given(NamedTuple):
    field: str
    url: str
    bounds: ImageBounds


def check_input_urls(ctx: Context, job: Job, permit: Permit, inputs: Inputs) -> str | None:
    """Return what the history says of URLs that were not reached; empty if all is well.

    None if the job has failed, or tries again later.
    """
    given = [*_list_images(job, inputs), *_list_params(job, inputs)]
    if not given or not ctx.settings.check_input_images:
        return ""
    looks = _look_at_all(ctx, job, permit, list(dict.fromkeys(each.url for each in given)))
    faults, missed = [], []
    for field, url, bounds in given:
        look = looks[url]
        if fault := look.fault or (bounds.find_fault(look.image) if look.image else ""):
            faults.append(f"{field} {fault}")
        elif look.obstacle:
            missed.append(f"{field} ({look.obstacle})")
    if faults:
        ctx.transition(job, partial(_as_faulty, ctx, "; ".join(faults)))
        return None
    is_temporary = any(look.is_temporary for look in looks.values())
    if is_temporary and job.attempts + 1 < min(MAX_TRIES, ctx.settings.submit_attempts):
        ctx.transition(job, partial(_as_postponed, ctx))
        log.info("input_not_reached", missed=missed)
        return None
    # The provider may reach what this machine does not, behind a firewall or a CDN that refuses
    # it, and did so before URLs were checked: a job that may succeed is worth its small risk.
    return f"sent without a check of {', '.join(missed)}" if missed else ""


def _list_images(job: Job, inputs: Inputs) -> Iterator[_Given]:
    """Yield the `image_urls`, without what a needed job has made, which is known already."""
    bounds = get_provider(job.provider, job.params).find_image_bounds(job.params)
    if bounds is not None:
        for n, (named, url) in enumerate(zip(job.image_urls, inputs.images, strict=True)):
            if named == url:
                yield _Given(f"image_urls.{n}", named, bounds)


def _list_params(job: Job, inputs: Inputs) -> Iterator[_Given]:
    """Yield the URLs in parameters such as a mask, whose bounds no vendor documents."""
    for name in get_provider(job.provider, job.params).list_image_params(job.params):
        value = inputs.params.get(name)
        for url in value if isinstance(value, list) else [value]:
            if isinstance(url, str):  # no image that is handed over
                yield _Given(f"params.{name}", url, ImageBounds())


def _look_at_all(ctx: Context, job: Job, permit: Permit, urls: list[str]) -> dict[str, Look]:
    """Return a look at each URL, a new one where none is stored."""
    known = dict(zip(urls, ctx.looks.get_many(urls), strict=True))
    if not all(known.values()):
        # No other worker takes the job meanwhile, also during the hand-over that follows.
        until = add_seconds(ctx.now(), HAND_OVER_S + ctx.settings.lease_s)
        ctx.submits.extend_lease(job.id, permit, until)
    deadline = time.monotonic() + CHECK_S
    looks = {}
    for url, look in known.items():
        if look is None:
            look = look_at(ctx, url, deadline)
            ctx.looks.put(url, look)
        looks[url] = look
    return looks


def look_at(ctx: Context, url: str, deadline: float) -> Look:
    """Look at the first bytes behind a URL; no message holds the URL."""
    request = Request(
        method="GET",
        url=url,
        deadline=min(deadline, time.monotonic() + LOOK_S),
        # An encoded body would not have the size of the file.
        headers={"Range": f"bytes=0-{HEAD_BYTES - 1}", "Accept-Encoding": "identity"},
        max_bytes=HEAD_BYTES,
        block_private_addresses=True,
        follow_redirects=True,
    )
    try:
        response = ctx.http.send(request)
    except (InvalidUrlError, PrivateAddressError) as error:
        return Look(obstacle=str(error))
    except (NotSentError, NoResponseError) as error:
        return Look(obstacle=str(error), is_temporary=True, of_host=True)
    if response.status in _GONE:
        words = f"leads to nothing (HTTP {response.status}): give the URL of an image that exists"
        return Look(fault=words)
    if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        is_temporary = response.status in TRANSIENT_STATUSES
        return Look(obstacle=f"HTTP {response.status}", is_temporary=is_temporary)
    return _inspect(response)


def _inspect(response: Response) -> Look:
    size = _find_bytes(response)
    try:
        media = read_head(response.body)
    except UnsupportedImageError as error:  # such as a TIFF, which some models take
        return Look(image=ImageFacts(error.kind, size))
    except NotMediaError as error:
        return Look(fault=f"is no image, {error}: give a URL of a PNG, JPEG, WebP or GIF file")
    if not media.content_type.startswith("image/"):
        return Look(fault=f"is {media.content_type}: give a URL of an image")
    return Look(image=ImageFacts(media.content_type, size, media.width, media.height))


def _find_bytes(response: Response) -> int | None:
    """Return the size of the whole file, as far as the response says it."""
    headers = response.headers
    if "content-encoding" in headers:
        return None
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        found = _TOTAL_BYTES.match(headers.get("content-range", ""))
        return int(found[1][:15]) if found else None
    length = headers.get("content-length", "")[:15]
    return int(length) if length.isascii() and length.isdigit() else None


def _as_faulty(ctx: Context, message: str, job: Job) -> Job:
    require_queued(job)
    error = JobError(reason=Reason.BAD_INPUT, code=INPUT, message=message)
    return as_failed(ctx, job, "input", error)


def _as_postponed(ctx: Context, job: Job) -> Job:
    require_queued(job)
    attempts = job.attempts + 1
    return job.evolve(add_seconds(ctx.now(), backoff(attempts)), attempts=attempts)
