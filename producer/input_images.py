"""Images that callers upload here, for their jobs to start from: validated, stored, recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path

import redis
from redis.exceptions import RedisError

from ..config.redis import reachable
from ..config.settings import Settings
from ..errors import InvalidRequestError, Problem, UploadError
from ..jobs.ids import make_upload_id
from ..jobs.job import add_seconds
from ..jobs.upload import EXTENSIONS, Upload
from ..storage import Storage, StorageError, Temporary, open_storage
from ..storage.media.validate import NotMediaError, validate_media
from ..store.deployment.agreement import Deployment
from ..store.images.uploads import Uploads

MAX_UPLOAD_BYTES = 30 * 1024 * 1024
TYPES = "a PNG, JPEG, WebP or GIF file"


class InputImages:
    """Stores the images of callers; they live as long as the record of a finished job."""

    def __init__(
        self, settings: Settings, client: redis.Redis, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._uploads = Uploads(client)
        self._deployment = Deployment(client)
        self._now = now

    @cached_property
    def storage(self) -> Storage:
        """The storage, opened when it is first used: a bucket loads megabytes of code.

        Raises ConfigError if it is not that of the workers.
        """
        storage = open_storage(self._settings.images_url, self._settings.scratch)
        self._deployment.require_storage(storage)
        return storage

    @reachable()
    def add(self, file: Temporary, caller: str) -> Upload:
        """Store a file of at most MAX_UPLOAD_BYTES and return its upload.

        Raises InvalidRequestError if it is no image, or StorageError.
        """
        content_type, width, height = _identify(file)
        now, lifetime_s = self._now(), self._settings.upload_s
        size = file.seek(0, 2)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        upload = Upload(
            id=make_upload_id(now),
            content_type=content_type,
            bytes=size,
            width=width,
            height=height,
            expires_at=add_seconds(now, lifetime_s),
            submitted_by=caller,
            sha256=sha256,
        )
        self._uploads.reserve(upload)
        self.storage.put(upload.name, file, content_type=content_type, sha256=sha256)
        self._uploads.add(upload, lifetime_s)
        return upload

    @reachable()
    def find(self, upload_id: str) -> Upload | None:
        """Return an upload; None if it has expired."""
        return next(iter(self._uploads.get_many([upload_id])), None)

    def discard(self, uploads: Iterable[Upload]) -> None:
        """Delete uploads that no job names; what fails now is deleted once they expire."""
        with suppress(StorageError, RedisError):
            for upload in uploads:
                self._uploads.remove(upload)
                self.storage.delete(upload.name)
                self._uploads.forget(upload.name)

    def add_file(self, path: Path, caller: str) -> Upload:
        """Store a local file; raises UploadError, or what `add` raises."""
        try:
            with path.open("rb") as source, self.storage.temporary() as file:
                content = source.read(MAX_UPLOAD_BYTES + 1)
                if len(content) > MAX_UPLOAD_BYTES:
                    raise UploadError(f"{path} has more than {MAX_UPLOAD_BYTES} bytes")
                file.write(content)
                return self.add(file, caller)
        except OSError as error:
            raise UploadError(f"{path}: {error.strerror or type(error).__name__}") from None
        except StorageError as error:
            raise UploadError(f"{path} was not stored: {error}; {self.storage.remedy}") from None


def _identify(file: Temporary) -> tuple[str, int, int]:
    """Return the type of an image, its width and height; raises InvalidRequestError."""
    try:
        media = validate_media(file)
    except NotMediaError as error:
        words = f"{error}: send the bytes of {TYPES}, and nothing else"
        raise InvalidRequestError([Problem("body", words)]) from None
    if media.content_type not in EXTENSIONS or not (media.width and media.height):
        words = f"the file is {media.content_type}: send {TYPES}"
        raise InvalidRequestError([Problem("body", words)])
    return media.content_type, media.width, media.height
