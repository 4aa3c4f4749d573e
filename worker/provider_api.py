"""Calls to a provider: its base URL, its key, and a limit on the size of its response."""

from __future__ import annotations

from ..providers.base import Provider
from ..providers.wire import ProviderRequest, ProviderResponse
from .context import Context

# The largest documented response, a batch look-up, is far smaller.
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
LOOKUP_TIMEOUT_S = 20.0
# A wait that a provider asks for by mistake must not stop a job forever.
MAX_RETRY_AFTER_S = 3600.0


def send(
    ctx: Context,
    provider: Provider,
    call: ProviderRequest,
    deadline: float,
    *,
    reuse_connection: bool = True,
) -> ProviderResponse:
    """Send a request and return its response; raises NotSentError or NoResponseError."""
    account = ctx.settings.account_with_key(provider.account)
    response = ctx.http.request(
        call.method,
        account.base_url + call.path,
        deadline=deadline,
        reuse_connection=reuse_connection,
        headers={**account.headers(), "Accept": "application/json"},
        params=call.query,
        json=call.body,
        max_bytes=MAX_RESPONSE_BYTES,
    )
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
