"""Uploads: whose each is and when it ends, and which files the storage has to delete."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import redis

from ...jobs.ids import is_upload_id
from ...jobs.upload import Upload
from . import keys as image_keys

MAX_AT_ONCE = 100
# A job that left at the last moment may have named the file to its provider, for up to a day.
GRACE_S = 86_400
CLAIMED_S = 60
# A name that is not UTF-8 has to stay the same, to be forgotten.
DAMAGED = "surrogateescape"


class Uploads:
    """The records of uploads; each ends by itself, and its file is deleted after it."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def reserve(self, upload: Upload) -> None:
        """Note when the file of an upload is deleted, before it is written: none is forgotten."""
        self._redis.zadd(image_keys.UPLOADS, {upload.name: upload.expires_at.timestamp() + GRACE_S})

    def add(self, upload: Upload, lifetime_s: float) -> None:
        """Store the record of an upload whose file is stored."""
        self._redis.set(image_keys.upload(upload.id), upload.dump(), px=int(lifetime_s * 1000))

    def remove(self, upload: Upload) -> None:
        """Remove the record of an upload; its file is still to be deleted."""
        self._redis.delete(image_keys.upload(upload.id))

    def get_many(self, upload_ids: Sequence[str]) -> list[Upload]:
        """Return those of several uploads that exist; a damaged record counts as none."""
        names = [image_keys.upload(each) for each in upload_ids if is_upload_id(each)]
        found: Any = self._redis.mget(names) if names else []
        uploads = []
        for record in filter(None, found):
            with suppress(ValueError):
                uploads.append(Upload.model_validate_json(record))
        return uploads

    def claim_expired(self, now: datetime) -> bool:
        """Return whether files are to be deleted, and no other process has said so lately."""
        return bool(
            self._redis.zcount(image_keys.UPLOADS, "-inf", now.timestamp())
            and self._redis.set(image_keys.UPLOADS_CLAIMED, 1, nx=True, ex=CLAIMED_S)
        )

    def list_expired(self, now: datetime) -> list[str]:
        """Return the names of files that are to be deleted, at most MAX_AT_ONCE."""
        found: Any = self._redis.zrange(
            image_keys.UPLOADS, "-inf", now.timestamp(), byscore=True, offset=0, num=MAX_AT_ONCE
        )
        return [name.decode(errors=DAMAGED) for name in found]

    def postpone(self, name: str, until: datetime) -> None:
        """Note that a file could not be deleted, and when that is tried again."""
        self._redis.zadd(image_keys.UPLOADS, {name: until.timestamp()}, xx=True)

    def forget(self, name: str) -> None:
        """Forget a file that is deleted."""
        self._redis.zrem(image_keys.UPLOADS, name.encode(errors=DAMAGED))
