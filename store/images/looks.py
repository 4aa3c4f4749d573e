"""What was lately found at the URLs of input images: a photo of many jobs is fetched once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import redis
from pydantic import BaseModel, ConfigDict, ValidationError

from ...providers.image_bounds import ImageFacts
from . import keys as image_keys

IMAGE_S = 600
# Whoever has put the file in its place submits again at once.
FAULT_S = 10
# Shorter than the pause before a job looks again; long enough that a host that is down does not
# cost every job of a backlog a timeout.
OBSTACLE_S = 4


class Look(BaseModel):
    """What was found at a URL: an image, or a fault of it, or else an obstacle on the way."""

    model_config = ConfigDict(frozen=True)

    image: ImageFacts | None = None
    fault: str = ""
    obstacle: str = ""
    is_temporary: bool = False
    """Whether the obstacle may be gone soon."""
    of_host: bool = False
    """Whether the obstacle is the same for every URL of the host."""


class Looks:
    """The latest looks; each ends by itself. They are shared by all callers, and hold no URL."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def get_many(self, urls: Sequence[str]) -> list[Look | None]:
        """Return the latest look at each URL, or at its host; None without any."""
        if not urls:
            return []
        places = [place for url in urls for place in (url, _get_host(url))]
        found: Any = self._redis.mget(map(image_keys.look, places))
        records = zip(found[::2], found[1::2], strict=True)
        return [_parse(of_url or of_host) for of_url, of_host in records]

    def put(self, url: str, look: Look) -> None:
        """Store a look for a while."""
        lifetime_s = IMAGE_S if look.image else FAULT_S if look.fault else OBSTACLE_S
        place = _get_host(url) if look.of_host else url
        self._redis.set(image_keys.look(place), look.model_dump_json(), ex=lifetime_s)


def _parse(record: bytes | None) -> Look | None:
    with suppress(ValidationError):  # a damaged one, or of another version
        return Look.model_validate_json(record) if record else None
    return None


def _get_host(url: str) -> str:
    with suppress(ValueError):
        return urlsplit(url).netloc
    return ""
