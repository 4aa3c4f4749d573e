"""Refresh the URL of an image that is refused or has expired, where the provider can do so.

The provider turns the old URL into a new one, or a new look-up of the task names another URL.
"""

from __future__ import annotations

import time

from ...config.logging import get_logger
from ...errors import ImageQueueError
from ...jobs.job import Image, Job
from ...providers import get as get_provider
from ...providers.base import UrlRefreshProvider
from ...providers.wire import (
    InlineImage,
    MalformedResponseError,
    ResultImage,
    Succeeded,
    select_images,
)
from ..context import Context
from ..http.errors import NoResponseError, NotSentError
from ..provider_api import LOOKUP_TIMEOUT_S, call_provider
from ..task_status import look_up

log = get_logger(__name__)


def refresh_url(ctx: Context, job: Job, image: Image) -> ResultImage | None:
    """Return the image at another URL; None if the provider knows no better one."""
    found = _request_new_url(ctx, job, image) or _look_up_new_url(ctx, job, image)
    if found:
        log.info("url_refreshed", index=image.index, lifetime_s=found.lifetime_s)
    return found


def _request_new_url(ctx: Context, job: Job, image: Image) -> ResultImage | None:
    """Return the image at a new URL that the provider makes from the old one."""
    try:
        provider = get_provider(job.provider, job.params)
        if not isinstance(provider, UrlRefreshProvider):
            return None
        deadline = time.monotonic() + LOOKUP_TIMEOUT_S
        request = provider.build_refresh_url_request(image.source_url)
        return provider.parse_refresh_url_response(call_provider(ctx, job, request, deadline))
    except (NotSentError, NoResponseError, MalformedResponseError, ImageQueueError) as error:
        log.warning("url_not_refreshed", index=image.index, why=str(error))
        return None


def _look_up_new_url(ctx: Context, job: Job, image: Image) -> ResultImage | None:
    """Return the same image from a new look-up of its task, if that has another URL, or itself."""
    if job.task_id is None:
        return None
    status = look_up(ctx, job)
    images = select_images(status.images) if isinstance(status, Succeeded) else ()
    if image.index >= len(images):
        return None
    found = images[image.index]
    if found.kind != image.kind:
        return None
    if isinstance(found, InlineImage):
        # The same one as before may be stored no more.
        ctx.inline_images.put(job.id, found.url, found.content)
        return found
    return found if found.url not in (image.source_url, image.refreshed_url) else None
