"""Calls to a provider: its base URL, its key and a bound on what it answers."""

from __future__ import annotations

from ..providers.base import Provider
from ..providers.wire import ProviderRequest, ProviderResponse
from .context import Context

# The largest documented answer, a batch look-up, stays far below this.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
LOOKUP_TIMEOUT_S = 20.0
# A wait that a provider asks for by mistake must not become a job without an end.
MAX_RETRY_AFTER_S = 3600.0


def send(
    ctx: Context,
    provider: Provider,
    call: ProviderRequest,
    deadline: float,
    *,
    reuse_connection: bool = True,
) -> ProviderResponse:
    """Send a call and read its whole answer; raises NotSentError or NoResponseError."""
    account = ctx.settings.account_with_key(provider.account)
    with ctx.http.request(
        call.method,
        account.base_url + call.path,
        deadline=deadline,
        reuse_connection=reuse_connection,
        headers={**account.headers(), "Accept": "application/json"},
        params=call.query,
        json=call.body,
    ) as response:
        return ProviderResponse(
            status=response.status,
            body=response.read(MAX_ANSWER_BYTES),
            retry_after_s=_seconds(response.headers.get("retry-after", "")),
        )


def _seconds(retry_after: str) -> float | None:
    """The header's seconds; its other form, a date, is left to the caller's default."""
    if not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return min(float(retry_after[:9]), MAX_RETRY_AFTER_S)
