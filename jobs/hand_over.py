"""How a provider gets an image that is in our storage and has no URL of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from ..config.settings import PREFIX, Settings
from ..errors import InvalidRequestError, Problem
from ..providers import get as get_provider
from ..providers.base import Provider
from ..providers.image_bounds import ImageBounds
from ..providers.request import JobRequest
from ..providers.uploads import UploadProvider
from .image import Place, StoredImage


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


def find_obstacles(
    settings: Settings, name: str, params: Mapping[str, Any], images: Mapping[Place, StoredImage]
) -> Iterator[Problem]:
    """Yield why the provider called `name` cannot get or use stored images, and what to change.

    The images are given by their places in a request.
    """
    provider = get_provider(name, params)
    if images and find_way(settings, provider) is None:
        yield Problem(
            "image_urls",
            f"{name} takes only URLs, and {PREFIX}PUBLIC_URL is not set, at which it "
            "could fetch a stored image: set it, or give a URL",
        )
    bounds = provider.find_image_bounds(params) or ImageBounds()
    for place, image in images.items():
        is_input = isinstance(place, int)
        fault = bounds.find_fault(image.facts) if is_input else ""
        limit = provider.max_upload_bytes if isinstance(provider, UploadProvider) else image.bytes
        if not fault and image.bytes > limit:
            fault = f"has {image.bytes} bytes, and {name} takes up to {limit}"
        if fault:
            yield Problem(f"image_urls.{place}" if is_input else f"params.{place}", fault)


def check_hand_over(
    settings: Settings, request: JobRequest, images: Mapping[Place, StoredImage]
) -> None:
    """Raise InvalidRequestError if the provider, or a fallback, cannot get or use stored images."""
    problems = [*find_obstacles(settings, request.provider, request.params, images)]
    # A fallback has parameters of its own.
    inputs: dict[Place, StoredImage] = {
        place: each for place, each in images.items() if isinstance(place, int)
    }
    for each in request.fallback:
        problems += find_obstacles(settings, each.provider, each.params, inputs)
    if problems:
        raise InvalidRequestError(problems)
