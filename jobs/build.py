"""From a request that came in to a job that can be kept: checked whole, or refused whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..config.settings import PREFIX, Settings
from ..errors import InvalidRequestError, Problem
from ..providers import get as get_provider
from ..providers.request import parse
from .job import Job, new_job


def accept(
    settings: Settings,
    fields: Mapping[str, Any],
    now: datetime,
    *,
    submitted_by: str = "",
    batch: str | None = None,
) -> Job:
    """A job that its provider would understand and this machine can pay for, not kept yet.

    Raises InvalidRequestError with every problem, or ConfigError where the provider has no key.
    """
    request = parse(fields)
    provider = get_provider(request.provider)
    settings.account_with_key(provider.account)
    checked = provider.request(request.action, request.prompt, request.image_urls, request.params)
    # Built for nobody: some requests cannot be said in some forms of an API.
    provider.build_submit_request(
        checked, None, settings.api_versions.get(provider.name, provider.api_versions[0])
    )
    delivery = _delivery(settings, request.delivery)
    webhook_url = request.webhook_url or settings.webhook_url
    if webhook_url:
        settings.webhook_secrets  # noqa: B018  refuses one that could not be signed
    return new_job(
        now,
        **request.model_dump(exclude={"delivery", "webhook_url"}),
        delivery=delivery,
        webhook_url=webhook_url,
        submitted_by=submitted_by,
        batch=batch,
    )


def _delivery(settings: Settings, wanted: str) -> str:
    if wanted == "auto":
        return "callback" if settings.public_url else "poll"
    if wanted == "callback" and not settings.public_url:
        raise InvalidRequestError(
            [Problem("delivery", f"callbacks need {PREFIX}PUBLIC_URL: set it, or use poll")]
        )
    return wanted
