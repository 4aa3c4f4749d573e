"""The paid request of a job: sent once, and any response or failure turned into an outcome."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..config.logging import get_logger
from ..errors import InvalidRequestError
from ..jobs.job import Job
from ..jobs.tokens import build_callback_url
from ..providers import get as get_provider
from ..providers.base import Provider
from ..providers.wire import (
    OutcomeUnknown,
    ProviderResponse,
    Refused,
    RetryLater,
    SubmitOutcome,
    TryOtherVersion,
)
from .context import Context
from .http.errors import NoResponseError, NotSentError
from .inputs.hand_over import HandedOver, refuse_input
from .inputs.stored_images import InputError
from .provider_api import call_provider
from .saving.unreadable import MAX_STORED_BYTES

log = get_logger(__name__)


def get_timeout_s(ctx: Context, job: Job) -> float:
    """Return how long the request of a job may take, its response included."""
    provider = get_provider(job.provider, job.params)
    return max(ctx.settings.submit_timeout_s, provider.submit_timeout_s)


def send_paid_request(
    ctx: Context, job: Job, inputs: HandedOver | Refused | RetryLater, deadline: float
) -> SubmitOutcome:
    """Send the paid request, and turn any response or failure into an outcome.

    Inputs that could not be handed over are the outcome: nothing is sent.
    """
    if not isinstance(inputs, HandedOver):
        return inputs
    provider = get_provider(job.provider, job.params)
    api_version = job.api_version or provider.api_versions[0]
    try:
        checked = provider.validate_request(job.action, job.prompt, inputs.urls, inputs.params)
        build = partial(provider.build_submit_request, checked, _callback_url(ctx, job))
        request = build(api_version)
        response = call_provider(
            ctx, job, request, deadline, stored=inputs.stored, reuse_connection=False
        )
        outcome = _parse_response(provider, response, api_version)
        if isinstance(outcome, TryOtherVersion) and build(outcome.api_version) == request:
            # Both versions send the same request, so the version was not the reason.
            return Refused(reason="bad_input", code=outcome.code, message=outcome.message)
    except InvalidRequestError as error:
        return Refused(reason="bad_input", code="", message=str(error))
    except InputError as error:
        return refuse_input(error)
    except NotSentError as error:
        return RetryLater(code="not sent", message=str(error))
    except NoResponseError as error:
        return OutcomeUnknown(code="no answer", message=str(error))
    return outcome


def _parse_response(
    provider: Provider, response: ProviderResponse, api_version: str
) -> SubmitOutcome:
    """Return the outcome in a response, which may have been paid for: this never raises."""
    try:
        outcome = provider.parse_submit_response(response, api_version)
    except Exception as error:
        log.exception("response_not_parsed")
        message = f"the response could not be parsed: {type(error).__name__}"
        outcome = OutcomeUnknown(code=str(response.status), message=message)
    if not isinstance(outcome, OutcomeUnknown):
        return outcome
    if len(response.body) >= provider.max_response_bytes:
        message = f"the response is larger than {provider.max_response_bytes} bytes"
        return replace(outcome, message=message)
    if 200 <= response.status < 300 and len(response.body) <= MAX_STORED_BYTES:
        return replace(outcome, body=response.body.decode(errors="surrogateescape"))
    return outcome


def _callback_url(ctx: Context, job: Job) -> str | None:
    if job.delivery == "poll" or not ctx.settings.public_url:
        return None
    secrets = ctx.settings.signing_secrets
    return build_callback_url(ctx.settings.public_url, secrets, job.provider, job.id)
