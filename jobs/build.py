"""Build jobs from requests: a request is accepted whole or refused whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..config.settings import PREFIX, Settings
from ..errors import ConfigError, InvalidRequestError, Problem
from ..providers import get as get_provider
from ..providers.base import JOB_PARAM
from ..providers.request import FallbackRequest, JobRequest
from .caller_webhook import CallerWebhook
from .chain import find_task_source, list_needed, stand_in
from .cost import to_micro
from .fallback import Fallback
from .image_name import check_image_name
from .job import Job, new_job
from .private_urls import check_private_urls, find_webhook_problem

NO_WEBHOOK = CallerWebhook()
MAX_CALLER_CHARACTERS = 255
MAX_DAYS_AHEAD = 30
# The fields that a job has in another form than its request.
_RESOLVED = {"delivery", "webhook_url", "image_name", "fallback", "after"}
TOO_LATE = f"must be at most {MAX_DAYS_AHEAD} days ahead"


def build_job(
    settings: Settings,
    request: JobRequest,
    now: datetime,
    *,
    submitted_by: str = "",
    batch: str | None = None,
    webhook: CallerWebhook = NO_WEBHOOK,
) -> Job:
    """Return a new job for a request that its provider accepts; nothing is stored.

    `webhook` is that of its caller.

    Raises InvalidRequestError with every problem, or ConfigError if the provider has no API key.
    """
    if len(submitted_by) > MAX_CALLER_CHARACTERS or not submitted_by.isprintable():
        problem = f"must be at most {MAX_CALLER_CHARACTERS} printable characters"
        raise InvalidRequestError([Problem("submitted_by", problem)])
    if request.not_before and request.not_before > now + timedelta(days=MAX_DAYS_AHEAD):
        raise InvalidRequestError([Problem("not_before", TOO_LATE)])
    estimate, *estimates = _estimate_each(settings, request)
    check_private_urls(settings, request)
    fallback = tuple(
        Fallback(provider=each.provider, params=each.params, estimate=price)
        for each, price in zip(request.fallback, estimates, strict=True)
    )
    delivery = _delivery(settings, request.delivery)
    job = new_job(
        now,
        **request.model_dump(exclude={*_RESOLVED, "reuse"}),
        after=list_needed(request),
        fallback=fallback,
        delivery=delivery,
        estimate=estimate,
        webhook_url=_choose_webhook_url(settings, request, webhook),
        submitted_by=submitted_by,
        batch=batch,
        image_name=request.image_name or settings.image_name,
    )
    check_image_name(job, "" if request.image_name else f"{PREFIX}IMAGE_NAME")
    return job


def _estimate_each(settings: Settings, request: JobRequest) -> list[int | None]:
    """Return the expected price at the provider and at each fallback.

    Raises InvalidRequestError with what each of them refuses, or ConfigError.
    """
    estimates, problems = [], []
    choices: list[tuple[str, JobRequest | FallbackRequest]] = [("", request)]
    choices += [(f"fallback.{n}.", each) for n, each in enumerate(request.fallback)]
    for prefix, choice in choices:
        if prefix and find_task_source(choice.params):
            # The job that has the task is at another provider, and nobody waits for it here.
            problems.append(Problem(f"{prefix}params.{JOB_PARAM}", "a fallback takes no task"))
            continue
        try:
            estimates.append(_estimate(settings, request, choice.provider, choice.params))
        except InvalidRequestError as error:
            problems += [Problem(prefix + each.field, each.message) for each in error.problems]
    if problems:
        raise InvalidRequestError(problems)
    return estimates


def _estimate(
    settings: Settings, request: JobRequest, name: str, params: Mapping[str, Any]
) -> int | None:
    provider = get_provider(name, params)
    if find_task_source(params) and not provider.takes_task(request.action, params):
        problem = f"{name} goes on with no earlier task in {request.action}"
        raise InvalidRequestError([Problem(f"params.{JOB_PARAM}", problem)])
    urls, known_params = stand_in(request.image_urls, params)
    checked = provider.validate_request(request.action, request.prompt, urls, known_params)
    settings.usable_keys(provider)
    # Discarded: this only proves that the configured API version can express the request.
    provider.build_submit_request(
        checked, None, settings.api_versions.get(provider.name, provider.api_versions[0])
    )
    return to_micro(provider.estimate(request.action, checked))


def _choose_webhook_url(
    settings: Settings, request: JobRequest, webhook: CallerWebhook
) -> str | None:
    """Return where the job's webhooks go, if anywhere: the job's own, its caller's, the default.

    Raises InvalidRequestError or ConfigError if they could not be signed, or would not be sent.
    """
    url = request.webhook_url or webhook.url or settings.webhook_url
    if not url:
        return None
    if not webhook.secrets:
        settings.webhook_secrets  # noqa: B018  refuses one that could not be signed
    if problem := find_webhook_problem(settings, url):
        if request.webhook_url:
            raise InvalidRequestError([Problem("webhook_url", problem)])
        source = "the webhook URL of the API key" if webhook.url else f"{PREFIX}WEBHOOK_URL"
        raise ConfigError(f"{source}: {problem}")
    return url


def _delivery(settings: Settings, wanted: str) -> str:
    if wanted == "auto":
        return "callback" if settings.public_url else "poll"
    if wanted == "callback" and not settings.public_url:
        raise InvalidRequestError(
            [Problem("delivery", f"callbacks need {PREFIX}PUBLIC_URL: set it, or use poll")]
        )
    return wanted
