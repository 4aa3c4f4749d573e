"""What all processes of a deployment share, wherever they run: storage, archive and secrets.

Two hosts that each save images in a folder of their own, or sign with a secret of their own, work
without an error, and their images and callbacks are lost. So each process compares at its start.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Collection, Mapping
from typing import Any, Protocol
from uuid import uuid4

import redis

from ...errors import ConfigError
from . import keys

# How long the first process may take to write its id into the storage.
CLAIM_S = 15
READ_TIMEOUT_S = 5.0
READ_EVERY_S = 0.2
ADOPT = "if this is on purpose, run `imagequeue adopt` with these settings"


class IdentifiedStorage(Protocol):
    """A storage of images or an archive of jobs that holds an id of its own."""

    url: str

    def read_id(self) -> str:
        """Return the id; empty if there is none. Raises StorageError."""

    def write_id(self, new: str) -> None:
        """Replace the id; raises StorageError."""


class Deployment:
    """What the processes that use one Redis agree on; the first one to start decides."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def require_storage(self, storage: IdentifiedStorage) -> str:
        """Return the storage's id; raises ConfigError if other processes use another one."""
        return self._require(
            keys.STORAGE,
            storage,
            f"the storage {storage.url} is not that of the other processes or of earlier starts, "
            "and their images are not there: set the same IMAGEQUEUE_STORAGE_URL everywhere, a "
            "bucket or a folder that all hosts mount, or copy the images with storage-id.txt; "
            f"{ADOPT}",
        )

    def require_archive(self, archive: IdentifiedStorage | None) -> None:
        """Raise ConfigError if other processes use another archive, or this one has none."""
        if archive:
            self._require(
                keys.ARCHIVE,
                archive,
                f"the archive {archive.url} is not that of the other processes, which would not "
                "find its jobs: set the same IMAGEQUEUE_ARCHIVE_URL everywhere, a PostgreSQL where "
                f"there are several hosts; {ADOPT}",
            )
        elif self._redis.exists(keys.ARCHIVE):
            raise ConfigError(
                "the other processes archive finished jobs, and this one would delete them: set "
                f"the same IMAGEQUEUE_ARCHIVE_URL everywhere; {ADOPT}"
            )

    def _require(self, key: str, storage: IdentifiedStorage, problem: str) -> str:
        """Return the id of a storage, which all processes agree on under a key."""
        own = storage.read_id()
        agreed = self._claim(key, own or uuid4().hex, storage, is_new=not own)
        own = own or self._await_id(key, storage)
        if not own and not self._redis.exists(key):
            # The first process died before it wrote its id.
            return self._require(key, storage, problem)
        if own != agreed:
            raise ConfigError(problem)
        return own

    def require_secrets(self, setting: str, secrets: Collection[bytes]) -> None:
        """Raise ConfigError unless one of the secrets is known to the processes of before.

        To change a secret, start with the new and the old one, comma-separated.
        """
        if not secrets:
            return
        found: Any = self._redis.hget(keys.DEPLOYMENT, setting)
        known = set(found.decode().split(",")) if found else set()
        salt = self._read_salt()
        own = {_digest(each, salt) for each in secrets}
        if known and not known & own:
            raise ConfigError(
                f"IMAGEQUEUE_{setting.upper()} is not that of the other processes, which would "
                f"refuse what this one signs: set the same everywhere; {ADOPT}"
            )
        if known != own:
            self._redis.hset(keys.DEPLOYMENT, setting, ",".join(sorted(own)))

    def adopt(self, storage: IdentifiedStorage, archive: IdentifiedStorage | None = None) -> None:
        """Make a storage and an archive, or none, those of the deployment.

        The next process decides on secrets.
        """
        own = {keys.STORAGE: _adopt_id(storage)}
        if archive:
            own[keys.ARCHIVE] = _adopt_id(archive)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.DEPLOYMENT, keys.ARCHIVE)
            pipe.mset(own)
            pipe.execute()

    def uses_other_storage(self, storage: IdentifiedStorage) -> bool:
        """Whether the processes use another storage; changes nothing."""
        return self._differs(keys.STORAGE, storage)

    def uses_other_archive(self, archive: IdentifiedStorage | None) -> bool:
        """Whether the processes use another archive; changes nothing."""
        return self._differs(keys.ARCHIVE, archive)

    def _differs(self, key: str, storage: IdentifiedStorage | None) -> bool:
        agreed: Any = self._redis.get(key)
        return bool(agreed) and agreed.decode() != (storage.read_id() if storage else "")

    def _claim(self, key: str, own: str, storage: IdentifiedStorage, *, is_new: bool) -> str:
        """Return the id that all processes agree on; the first one writes its own."""
        # A claim ends if its process dies before the id is in the storage.
        lifetime = CLAIM_S if is_new else None
        if not self._redis.set(key, own, nx=True, ex=lifetime):
            agreed: Any = self._redis.get(key)
            return agreed.decode() if agreed else ""
        if is_new:
            storage.write_id(own)
            self._redis.persist(key)
        return own

    def _await_id(self, key: str, storage: IdentifiedStorage) -> str:
        """Return the id of a storage into which another process may be writing it now."""
        deadline = time.monotonic() + READ_TIMEOUT_S
        while not (found := storage.read_id()):
            claimed_ms: Any = self._redis.pttl(key)
            if time.monotonic() > deadline and claimed_ms <= 0:
                break
            time.sleep(READ_EVERY_S)
        return found

    def digest(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return a digest of each value, by which processes compare theirs."""
        salt = self._read_salt()
        return {name: _digest(value.encode(), salt)[:8] for name, value in values.items()}

    def _read_salt(self) -> bytes:
        self._redis.hsetnx(keys.DEPLOYMENT, "salt", uuid4().hex)
        salt: Any = self._redis.hget(keys.DEPLOYMENT, "salt")
        return salt or b""


def _digest(value: bytes, salt: bytes) -> str:
    """Return a digest that says nothing about a value, not even beside another Redis."""
    return hmac.new(value, salt, hashlib.sha256).hexdigest()[:16]


def _adopt_id(storage: IdentifiedStorage) -> str:
    """Return the id of a storage, which is given one if it has none."""
    own = storage.read_id() or uuid4().hex
    storage.write_id(own)
    return own
