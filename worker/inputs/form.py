"""The multipart form of a paid request: its texts, and input images that are fetched for it.

Nothing has been sent to the provider yet when this fails.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from ...jobs.image import StoredImage
from ...providers.wire import ProviderRequest
from ...storage.media.validate import NotMediaError, validate_media
from ..context import Context
from ..http.errors import InvalidUrlError, PrivateAddressError
from ..saving.fetch import Fetch, TooLargeError, UrlRefusedError
from .stored_images import InputError, read_stored

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


def build_form(
    ctx: Context, call: ProviderRequest, stored: Mapping[str, StoredImage], deadline: float
) -> tuple[bytes, str]:
    """Return the body and the content type of a request with files; raises InputError.

    The images in `stored`, by their URLs, are read from our storage.
    """
    ends_at = min(deadline, time.monotonic() + INPUT_TIMEOUT_S)
    parts: list[tuple[str, Any]] = list((call.body or {}).items())
    left = MAX_INPUT_BYTES
    for number, (name, url) in enumerate(call.files, 1):
        try:
            if image := stored.get(url):
                content, media_type = read_stored(ctx, image, left), image.content_type
                extension = image.name.rpartition(".")[2]
            else:
                content, media_type, extension = _fetch(ctx, url, ends_at, left)
        except InputError:
            raise
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
