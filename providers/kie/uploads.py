"""responses.ai's File Upload API: takes the files that jobs start from, free of charge.

Source: docs.kie.ai/file-upload-api/upload-file-stream and its quickstart, read 2026. A file lives
for 3 days by its older pages, for 24 hours by newer ones; one of the same name is overwritten.
"""

from __future__ import annotations

from ..parsing import as_url
from ..uploads import Upload, Uploaded, UploadOutcome, UploadProvider
from ..wire import MalformedResponseError, ProviderResponse, Refused, RetryLater
from . import responses
from .account import KieAccount

_LATER = (408, 429, 455)
_AUTH = (401, 403)


class KieUploadProvider(UploadProvider):
    """All of kie's APIs fetch their input images from this one host."""

    account = KieAccount
    # The upload pages name no limit for a stream; the pages of kie's models say 10 MB a picture.
    max_upload_bytes = 10 * 1024 * 1024

    def build_upload_request(self, file_name: str) -> Upload:
        """`POST /api/file-stream-upload`, on a host of its own."""
        fields = {"uploadPath": "images/imagequeue", "fileName": file_name}
        return Upload(path="/api/file-stream-upload", fields=fields, file_field="file")

    def parse_upload_response(self, response: ProviderResponse) -> UploadOutcome:
        """Errors come as HTTP statuses, or as HTTP 200 around another code."""
        envelope = _parse_envelope(response)
        code = responses.effective_code(response, envelope)
        message = envelope.message or "the answer says nothing that is documented"
        # The reference knows `downloadUrl` alone; the quickstart has a `fileUrl` beside it.
        url = as_url(envelope.data.get("downloadUrl")) or as_url(envelope.data.get("fileUrl"))
        if code == 200 and url:
            return Uploaded(url=url)
        if code in _LATER or 500 <= code < 600:
            return RetryLater(code=str(code), message=message, rate_limited=code == 429)
        if 400 <= code < 500:
            reason = "auth" if code in _AUTH else responses.REFUSALS.get(code, "bad_input")
            return Refused(reason=reason, code=str(code), message=message)
        raise MalformedResponseError("the answer names no URL of the file")


def _parse_envelope(response: ProviderResponse) -> responses.Envelope:
    """The envelope; a gateway's own page has none, and its status says enough."""
    try:
        return responses.Envelope.parse(response.body)
    except MalformedResponseError:
        if response.status == 200:
            raise
        return responses.Envelope(data={})
