"""Images that came inside of a provider's response, until they are in the storage.

They are written before the transition that names them: a crash between the two loses no more than
one before both, while a record without its bytes would be a paid image that is gone. They are no
part of the record, which is read at every step, and they do not wait for the storage, which may be
slow or down while the paid response is in memory only. While the storage is down nothing is
submitted, so they do not pile up.
"""

from __future__ import annotations

from collections.abc import Iterable

import redis

from . import keys as image_keys

LIFETIME_S = 86_400
"""How long the download may be tried; what it left is deleted."""


class InlineImages:
    """The bytes of images by the job and the URL that stands for them in its record."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put(self, job_id: str, url: str, content: bytes) -> None:
        """Store an image; the same one again changes nothing."""
        # An hour more, for a try that begins at the last moment.
        self._redis.set(image_keys.inline_image(job_id, url), content, ex=LIFETIME_S + 3600)

    def get(self, job_id: str, url: str) -> bytes | None:
        """Return an image; None if it is not stored any more."""
        found: bytes | None = self._redis.get(image_keys.inline_image(job_id, url))  # type: ignore[assignment]
        return found

    def delete(self, job_id: str, urls: Iterable[str]) -> None:
        """Delete images that are in the storage now."""
        if names := [image_keys.inline_image(job_id, url) for url in urls]:
            self._redis.delete(*names)
