"""Calls to a provider: its base URL, the job's key, and a limit on the size of its response."""

from __future__ import annotations

from ..jobs.job import Job
from ..providers.wire import ProviderRequest, ProviderResponse
from .account_keys import get_account
from .context import Context
from .http.message import Request

# The largest documented response, a batch look-up, is far smaller.
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
LOOKUP_TIMEOUT_S = 20.0
# A wait that a provider asks for by mistake must not stop a job forever.
MAX_RETRY_AFTER_S = 3600.0


def call_provider(
    ctx: Context,
    job: Job,
    call: ProviderRequest,
    deadline: float,
    *,
    reuse_connection: bool = True,
) -> ProviderResponse:
    """Send a request with a job's key and return its response.

    Raises NotSentError, NoResponseError, or ConfigError without a key.
    """
    account = get_account(ctx, job)
    call = account.complete_request(call)
    request = Request(
        method=call.method,
        url=(call.base_url or account.base_url) + call.path,
        deadline=deadline,
        headers={**account.headers(), "Accept": "application/json"},
        params=call.query,
        json=call.body,
        max_bytes=MAX_RESPONSE_BYTES,
        reuse_connection=reuse_connection,
    )
    response = ctx.http.send(request)
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
