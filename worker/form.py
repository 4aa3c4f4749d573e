"""The multipart form of a paid request: its texts, and input images that are fetched for it.

Nothing has been sent to the provider yet when this fails.
"""

from __future__ import annotations

import time
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from ..providers.wire import ProviderRequest
from ..storage.media.validate import NotMediaError, validate_media
from .context import Context
from .fetch import Fetch, TooLargeError, UrlRefusedError
from .http.errors import InvalidUrlError, PrivateAddressError

INPUT_TIMEOUT_S = 60.0
# Of all files of one request: the worker holds them in memory.
MAX_INPUT_BYTES = 100 * 1024 * 1024

LASTING_FAILURES = (
    InvalidUrlError,
    NotMediaError,
    PrivateAddressError,
    TooLargeError,
    UrlRefusedError,
)


class InputError(Exception):
    """An input image cannot be used; `is_lasting`: another try would not change that."""

    def __init__(self, message: str, *, is_lasting: bool) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


def build_form(ctx: Context, call: ProviderRequest, deadline: float) -> tuple[bytes, str]:
    """Return the body and the content type of a request with files; raises InputError."""
    ends_at = min(deadline, time.monotonic() + INPUT_TIMEOUT_S)
    parts: list[tuple[str, Any]] = list((call.body or {}).items())
    left = MAX_INPUT_BYTES
    for number, (name, url) in enumerate(call.files, 1):
        try:
            content, media_type, extension = _fetch(ctx, url, ends_at, left)
        except Exception as error:
            why = str(error) or type(error).__name__
            is_lasting = isinstance(error, LASTING_FAILURES)
            raise InputError(f"input image {number}: {why}", is_lasting=is_lasting) from None
        left -= len(content)
        parts.append((name, (f"{number}.{extension}", content, media_type)))
    return encode_multipart_formdata(parts)


def _fetch(ctx: Context, url: str, deadline: float, max_bytes: int) -> tuple[bytes, str, str]:
    """Return an image's bytes, its media type and its usual file extension."""
    with ctx.storage.temporary() as file:
        Fetch(ctx.http, ctx.settings, url, file.write, deadline, max_bytes).run()
        media = validate_media(file, lambda: None)
        file.seek(0)
        return file.readall(), media.content_type, media.extension
