"""kie.ai's File Upload API: it accepts the files that jobs start from, free of charge.

Source: docs.kie.ai/file-upload-api/upload-file-stream and its quickstart, read 2026. A file lives
for 3 days by its older pages, for 24 hours by newer ones; the same name overwrites it.
"""

from __future__ import annotations

from ..parsing import to_url
from ..uploads import Uploaded, UploadOutcome, UploadProvider, UploadRequest
from ..wire import MalformedResponseError, ProviderResponse, Refused, RetryLater
from . import responses
from .account import KieAccount

_TEMPORARY = (408, 429, 455)
_AUTH = (401, 403)


class KieUploadProvider(UploadProvider):
    """All of kie's APIs fetch their input images from this one host."""

    account = KieAccount
    # The upload pages name no limit for a stream; the pages of kie's models say 10 MB an image.
    max_upload_bytes = 10 * 1024 * 1024

    def build_upload_request(self, file_name: str) -> UploadRequest:
        """`POST /api/file-stream-upload`, on a host of its own."""
        fields = {"uploadPath": "images/imagequeue", "fileName": file_name}
        return UploadRequest(path="/api/file-stream-upload", fields=fields, file_field="file")

    def parse_upload_response(self, response: ProviderResponse) -> UploadOutcome:
        """Errors come as HTTP statuses, or as HTTP 200 around another code."""
        envelope = responses.parse_envelope(response)
        code = responses.get_code(response, envelope)
        message = envelope.message or responses.NO_MESSAGE
        # The reference knows `downloadUrl` alone; the quickstart has a `fileUrl` beside it.
        url = to_url(envelope.data.get("downloadUrl")) or to_url(envelope.data.get("fileUrl"))
        if code == 200 and url:
            return Uploaded(url=url)
        if code in _TEMPORARY or 500 <= code < 600:
            return RetryLater(code=str(code), message=message, rate_limited=code == 429)
        if 400 <= code < 500:
            reason = "auth" if code in _AUTH else responses.REFUSALS.get(code, "bad_input")
            return Refused(reason=reason, code=str(code), message=message)
        raise MalformedResponseError("the response has no URL of the file")
