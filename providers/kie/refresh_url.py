"""responses.ai's fresh links: a short-lived URL for one of its own that is refused or about to die.

Source: docs.kie.ai/common-api/quickstart, read 2026. It costs nothing, and only knows kie's files.
"""

from __future__ import annotations

from ..base import UrlRefreshProvider
from ..parsing import as_url
from ..wire import MalformedResponseError, ProviderRequest, ProviderResponse, ResultImage
from . import responses

LIFETIME_S = 20 * 60


class KieUrlRefreshProvider(UrlRefreshProvider):
    """All of kie's APIs keep their pictures in one place."""

    def build_refresh_url_request(self, url: str) -> ProviderRequest:
        """`POST /api/v1/common/download-url`."""
        return ProviderRequest(method="POST", path="/api/v1/common/download-url", body={"url": url})

    def parse_refresh_url_response(self, response: ProviderResponse) -> ResultImage:
        """`data` is the URL itself; a file that is not kie's is refused with 422."""
        envelope = responses.Envelope.parse(response.body)
        url = as_url(envelope.value)
        code = responses.effective_code(response, envelope)
        if code != 200 or not url:
            raise MalformedResponseError(f"no fresh URL was given (code {code})")
        return ResultImage(url=url, lifetime_s=LIFETIME_S)
