"""Renew: a fresh URL for a picture whose own is refused or dead, where its provider gives one."""

from __future__ import annotations

import time

from ..config.logging import get_logger
from ..errors import ImageQueueError
from ..jobs.job import Image, Job
from ..providers import get as get_provider
from ..providers.base import UrlRefreshProvider
from ..providers.wire import MalformedResponseError, ResultImage, Succeeded
from .context import Context
from .http.client import NoResponseError, NotSentError
from .provider_api import LOOKUP_TIMEOUT_S, send
from .task_status import look_up

log = get_logger(__name__)


def renew(ctx: Context, job: Job, image: Image) -> ResultImage | None:
    """The picture at another URL; None if the provider knows no better one."""
    fresh = _fresh_link(ctx, job, image) or _looked_up(ctx, job, image)
    if fresh:
        log.info("URL renewed", index=image.index, lifetime_s=fresh.lifetime_s)
    return fresh


def _fresh_link(ctx: Context, job: Job, image: Image) -> ResultImage | None:
    """A link that the provider makes from the URL itself."""
    try:
        provider = get_provider(job.provider)
        if not isinstance(provider, UrlRefreshProvider):
            return None
        deadline = time.monotonic() + LOOKUP_TIMEOUT_S
        answer = send(ctx, provider, provider.build_refresh_url_request(image.source_url), deadline)
        return provider.parse_refresh_url_response(answer)
    except (NotSentError, NoResponseError, MalformedResponseError, ImageQueueError) as error:
        log.warning("URL not renewed", index=image.index, why=str(error))
        return None


def _looked_up(ctx: Context, job: Job, image: Image) -> ResultImage | None:
    """The same picture in a fresh record of the task."""
    if job.task_id is None:
        return None
    report = look_up(ctx, job)
    if not isinstance(report, Succeeded) or image.index >= len(report.images):
        return None
    found = report.images[image.index]
    known = (image.source_url, image.refreshed_url)
    return found if found.kind == image.kind and found.url not in known else None
