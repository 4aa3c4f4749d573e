"""What a caller gives: the options of a job, and images that are URLs, files or bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from ..errors import InvalidRequestError, Problem

if TYPE_CHECKING:
    from .catalogue import Fallback, Priority

Image = str | os.PathLike[str] | bytes
Images = Image | Sequence[Image]
"""URLs, files and bytes; a text that is no URL and no id of an upload or a job is a path."""

_URL = re.compile(r"https?://|(?:upload|job)_[0-9A-Z]{26}(?:/[0-9]+)?\Z", re.IGNORECASE)


class SubmitOptions(TypedDict, total=False):
    """What a job may have besides its provider, prompt and parameters."""

    image: Images
    """URLs, files and bytes; ids of uploads, and of jobs for their images. Files are uploaded."""
    image_urls: Sequence[str]
    """The same for input that is not trusted: it never reads a file."""
    fallback: Sequence[Fallback]
    """Other providers, each as `provider` and `params`."""
    priority: Priority
    not_before: datetime
    """The job is not sent earlier; with a time zone."""
    after: Sequence[str]
    """Ids of jobs that have to succeed first."""
    reuse: str
    """Return a job that succeeded within this time, such as `24h`, for the same request."""
    webhook_url: str
    image_name: str
    """A template for the names of the saved images, such as `{metadata.sku}/{index}.{ext}`."""
    metadata: Mapping[str, Any]
    """Yours: stored with the job, never sent to the provider."""
    idempotency_key: str
    """Repeating the call with it returns the same job; without one, a call has a key of its own.

    A file is named by its content, so the same file uploaded again is the same request.
    """


def build_request(
    provider: str, prompt: str, params: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a request, without the images and without what is not set."""
    fields = {"provider": provider, "prompt": prompt, "params": params, **options}
    return {name: each for name, each in fields.items() if each is not None}


def take_images(fields: dict[str, Any]) -> list[str | bytes]:
    """Remove `image` from a request; return its URLs, and the bytes of its files.

    Raises InvalidRequestError for one that cannot be read.
    """
    given = fields.pop("image", None)
    if given is None:
        return []
    items = [given] if isinstance(given, str | bytes | os.PathLike) else list(given)
    if items and fields.get("image_urls"):
        raise InvalidRequestError([Problem("image", "takes URLs too: leave image_urls out")])
    return [_read(index, each) for index, each in enumerate(items)]


def read_file(source: str | os.PathLike[str] | bytes) -> bytes:
    """Return the bytes of a file; raises InvalidRequestError if it cannot be read."""
    return source if isinstance(source, bytes) else _read_file("image", Path(source))


def _read(index: int, image: Image) -> str | bytes:
    if isinstance(image, bytes) or (isinstance(image, str) and _URL.match(image)):
        return image
    return _read_file(f"image.{index}", Path(image))


def _read_file(field: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"{path}: {reason}; give a file, or an http:// or https:// URL"
        raise InvalidRequestError([Problem(field, message)]) from None
