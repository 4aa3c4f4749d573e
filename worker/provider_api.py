"""Calls to a provider: its base URL, the job's key, and a limit on the size of its response."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.trace import SpanKind

from ..config.tracing import span
from ..jobs.image import StoredImage
from ..jobs.job import Job
from ..providers import get as get_provider
from ..providers.wire import ProviderRequest, ProviderResponse
from .account_keys import get_account
from .context import Context
from .http.message import Request
from .inputs.form import build_form

LOOKUP_TIMEOUT_S = 20.0
# A wait that a provider asks for by mistake must not stop a job forever.
MAX_RETRY_AFTER_S = 3600.0
NOTHING_STORED: Mapping[str, StoredImage] = {}


def call_provider(
    ctx: Context,
    job: Job,
    call: ProviderRequest,
    deadline: float,
    *,
    stored: Mapping[str, StoredImage] = NOTHING_STORED,
    reuse_connection: bool = True,
) -> ProviderResponse:
    """Send a request with a job's key and return its response.

    The files in `stored`, by their URLs, are read from our storage; others are fetched.
    Raises NotSentError, NoResponseError, InputError, or ConfigError without a key.
    """
    account = get_account(ctx, job)
    call = account.complete_request(call)
    headers = {**account.headers(), "Accept": "application/json"}
    form = b""
    if call.files:
        form, headers["Content-Type"] = build_form(ctx, call, stored, deadline)
    request = Request(
        method=call.method,
        url=(call.base_url or account.base_url) + call.path,
        deadline=deadline,
        headers=headers,
        params=call.query,
        json=None if form else call.body,
        data=form,
        max_bytes=get_provider(job.provider).max_response_bytes,
        reuse_connection=reuse_connection,
    )
    with span(f"{call.method} {job.provider}", job.id, SpanKind.CLIENT) as sent:
        response = ctx.http.send(request)
        sent.set_attribute("http.response.status_code", response.status)
    return ProviderResponse(
        status=response.status,
        body=response.body,
        retry_after_s=_parse_retry_after(response.headers.get("retry-after", "")),
    )


def _parse_retry_after(value: str) -> float | None:
    """Return the header's seconds; for its other form, a date, callers have a default."""
    if not (value.isascii() and value.isdigit()):
        return None
    return min(float(value[:9]), MAX_RETRY_AFTER_S)
