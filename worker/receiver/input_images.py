"""Serve the images that jobs start from to providers, under signed URLs that end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...config.http.security_headers import IMAGE_POLICY
from ...config.logging import get_logger
from ...config.settings import Settings
from ...jobs.tokens import is_valid_image_token
from ...storage import Storage, StorageError, open_storage

log = get_logger(__name__)


class InputImages:
    """The endpoint, over the storage of the images."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._secrets = settings.signing_secrets
        self._settings = settings
        self._now = now

    @cached_property
    def _storage(self) -> Storage:
        """The storage, opened when it is first used: a bucket loads megabytes of code."""
        return open_storage(self._settings.images_url, self._settings.scratch)

    def get_image(self, request: Request) -> Response:
        """GET /uploads/{expires}/{token}/{name}: the file, or 404 for whatever is wrong."""
        path = request.path_params
        name, expires = path["name"], path["expires"]
        is_valid = is_valid_image_token(path["token"], self._secrets, name, expires)
        # Only what was signed is read as a number.
        if not is_valid or self._now().timestamp() >= int(expires):
            return Response("not found", 404, media_type="text/plain")
        try:
            is_head = request.method == "HEAD"
            blob = self._storage.open(self._storage.uri(name), 0, 0 if is_head else None)
        except FileNotFoundError:
            return Response("not found", 404, media_type="text/plain")
        except StorageError as error:
            log.error("input_image_not_read", why=str(error))
            return Response("try again later", 503, media_type="text/plain")
        headers = {"Content-Length": str(blob.size), "Content-Security-Policy": IMAGE_POLICY}
        if is_head:
            content = b"".join(blob.chunks)  # nothing, but reading it closes the file
            return Response(content, 200, headers, media_type=blob.content_type)
        return StreamingResponse(blob.chunks, 200, headers, media_type=blob.content_type)
