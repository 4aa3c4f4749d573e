"""How a provider gets an image that is in our storage and has no URL of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from ..config.settings import PREFIX, Settings
from ..errors import InvalidRequestError, Problem
from ..providers import get as get_provider
from ..providers.base import Provider
from ..providers.request import JobRequest
from ..providers.uploads import UploadProvider
from .image import StoredImage


class Way(StrEnum):
    """One way to hand an image over."""

    UPLOAD = "upload"
    """It is sent to the provider's own upload API."""
    FORM = "form"
    """Its bytes are a part of the request."""
    URL = "url"
    """The receiver serves it under a signed URL."""


def find_way(settings: Settings, provider: Provider) -> Way | None:
    """Return how a provider gets a stored image; None if it cannot."""
    if isinstance(provider, UploadProvider):
        return Way.UPLOAD
    if provider.takes_files:
        return Way.FORM
    return Way.URL if settings.public_url else None


def find_obstacle(settings: Settings, provider: Provider, images: Iterable[StoredImage]) -> str:
    """Return why a provider cannot get stored images, and what to change; empty if it can."""
    if find_way(settings, provider) is None:
        return (
            f"{provider.name} takes only URLs, and {PREFIX}PUBLIC_URL is not set, at which it "
            "could fetch a stored image: set it, or give a URL"
        )
    largest = max((image.bytes for image in images), default=0)
    if isinstance(provider, UploadProvider) and largest > provider.max_upload_bytes:
        limit = provider.max_upload_bytes
        return f"{provider.name} takes images of up to {limit} bytes, and one has {largest}"
    return ""


def check_hand_over(settings: Settings, request: JobRequest, images: Sequence[StoredImage]) -> None:
    """Raise InvalidRequestError if the provider, or a fallback, cannot get stored images."""
    if not images:
        return
    choices = [(each.provider, each.params) for each in request.fallback]
    providers = [get_provider(*each) for each in [(request.provider, request.params), *choices]]
    obstacles = [find_obstacle(settings, each, images) for each in providers]
    if problems := [Problem("image_urls", each) for each in obstacles if each]:
        raise InvalidRequestError(problems)
