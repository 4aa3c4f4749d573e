"""Claims on the names of images that are being saved, so that no job overwrites another's image.

What is stored protects its own name. A claim protects it while the image is stored, and says after
a crash that the file is the image's own.
"""

from __future__ import annotations

from typing import Any

import redis

from . import keys as image_keys

# Longer than a worker may be frozen between its look at the storage and its claim, or retry.
CLAIM_TTL_S = 86_400


class ImageNames:
    """Who may store an image under which name."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def find_owner(self, name: str) -> str:
        """Return the image that has claimed a name lately; empty for none."""
        owner: Any = self._redis.get(image_keys.image_name(name))
        return owner.decode() if owner else ""

    def claim(self, name: str, owner: str) -> bool:
        """Claim a name for an image, if no other has it; return whether the name is the image's."""
        is_new = self._redis.set(image_keys.image_name(name), owner, nx=True, ex=CLAIM_TTL_S)
        return bool(is_new) or self.find_owner(name) == owner
