"""kie.ai's new URL, for 20 minutes, for one of its own that is refused or expires soon.

Source: docs.kie.ai/common-api/quickstart, read 2026. It is free, and knows kie's files only.
"""

from __future__ import annotations

from ..base import UrlRefreshProvider
from ..parsing import to_url
from ..wire import MalformedResponseError, ProviderRequest, ProviderResponse, ResultImage
from . import responses

LIFETIME_S = 20 * 60


class KieUrlRefreshProvider(UrlRefreshProvider):
    """All of kie's APIs store their images in one place."""

    def build_refresh_url_request(self, url: str) -> ProviderRequest:
        """`POST /api/v1/common/download-url`."""
        return ProviderRequest(method="POST", path="/api/v1/common/download-url", body={"url": url})

    def parse_refresh_url_response(self, response: ProviderResponse) -> ResultImage:
        """`data` is the URL itself; a file that is not kie's is refused with 422."""
        envelope = responses.parse_envelope(response)
        url = to_url(envelope.value)
        code = responses.get_code(response, envelope)
        if code != 200 or not url:
            raise MalformedResponseError(f"the response has no new URL (code {code})")
        return ResultImage(url=url, lifetime_s=LIFETIME_S)
