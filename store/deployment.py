"""What all processes of a deployment share, wherever they run: the storage and the secrets.

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

from ..errors import ConfigError
from . import keys

# How long the first process may take to write its id into the storage.
CLAIM_S = 15
READ_TIMEOUT_S = 5.0
READ_EVERY_S = 0.2
ADOPT = "if this is on purpose, run `imagequeue adopt` with these settings"


class IdentifiedStorage(Protocol):
    """A storage that holds an id of its own."""

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
        own = storage.read_id()
        agreed = self._claim(own or uuid4().hex, storage, is_new=not own)
        own = own or self._await_id(storage)
        if not own and not self._redis.exists(keys.STORAGE):
            return self.require_storage(storage)  # the first process died before it wrote its id
        if own != agreed:
            raise ConfigError(
                f"the storage {storage.url} is not that of the other processes, which would not "
                "find its images: set the same IMAGEQUEUE_STORAGE_URL everywhere, a bucket or a "
                f"folder that all hosts mount; {ADOPT}"
            )
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

    def adopt(self, storage: IdentifiedStorage) -> None:
        """Make a storage that of the deployment, and let the next process decide on secrets."""
        own = storage.read_id() or uuid4().hex
        storage.write_id(own)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.DEPLOYMENT)
            pipe.set(keys.STORAGE, own)
            pipe.execute()

    def uses_other_storage(self, storage: IdentifiedStorage) -> bool:
        """Whether the processes use another storage; changes nothing."""
        agreed: Any = self._redis.get(keys.STORAGE)
        return bool(agreed) and agreed.decode() != storage.read_id()

    def _claim(self, own: str, storage: IdentifiedStorage, *, is_new: bool) -> str:
        """Return the id that all processes agree on; the first one writes its own."""
        # A claim ends if its process dies before the id is in the storage.
        lifetime = CLAIM_S if is_new else None
        if not self._redis.set(keys.STORAGE, own, nx=True, ex=lifetime):
            agreed: Any = self._redis.get(keys.STORAGE)
            return agreed.decode() if agreed else ""
        if is_new:
            storage.write_id(own)
            self._redis.persist(keys.STORAGE)
        return own

    def _await_id(self, storage: IdentifiedStorage) -> str:
        """Return the id of a storage into which another process may be writing it now."""
        deadline = time.monotonic() + READ_TIMEOUT_S
        while not (found := storage.read_id()):
            claimed_ms: Any = self._redis.pttl(keys.STORAGE)
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
