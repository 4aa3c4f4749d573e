"""The API keys that are kept in Redis, as hashes: who may send jobs, and how many."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from typing import Any, NamedTuple, cast

import redis
from pydantic import BaseModel, ConfigDict

from ..errors import ApiKeyError
from . import keys

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Who asks without a key from Redis: this machine, Celery's clients, keys of the environment.
RESERVED = re.compile(r"local|celery|env-.*")


class Limits(NamedTuple):
    """How many jobs a caller may send; 0 for no limit."""

    per_minute: int = 0
    open_jobs: int = 0


class ApiKey(BaseModel):
    """What is known of a key: all but the key."""

    model_config = ConfigDict(frozen=True)

    hash: str
    created_at: datetime
    limits: Limits = Limits()


class Use(NamedTuple):
    """A key, and what its caller does with it."""

    key: ApiKey
    last_used: str
    """The day, as an ISO date; empty for never."""
    open_jobs: int


def digest(key: str) -> str:
    """What is kept of a key.

    IdempotencyKey over SHA-256 and no salt: of 32 random bytes there is nothing to guess. What is slow on
    purpose protects passwords, and would be paid for on every request.
    """
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


class ApiKeys:
    """The keys, by their names."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def all(self) -> dict[str, ApiKey]:
        """Every key by its name."""
        found = cast(dict[bytes, bytes], self._redis.hgetall(keys.API_KEYS))
        return {name.decode(): ApiKey.model_validate_json(found[name]) for name in sorted(found)}

    def add(self, name: str, limits: Limits, at: datetime) -> str:
        """Make a key and return it: nobody can tell it a second time.

        Raises ApiKeyError for a name that is taken or could be misread.
        """
        if not SAFE_NAME.fullmatch(name) or RESERVED.fullmatch(name):
            raise ApiKeyError(
                f"{name!r} cannot name a key: give up to 64 letters, digits, dots, dashes and "
                "underscores; local, celery and env-... are taken"
            )
        key = f"iq_{secrets.token_urlsafe(32)}"
        kept = ApiKey(hash=digest(key), created_at=at, limits=limits)
        if not self._redis.hsetnx(keys.API_KEYS, name, kept.model_dump_json()):
            raise ApiKeyError(f"there is a key {name} already: remove it first, or name a new one")
        return key

    def remove(self, name: str) -> None:
        """Forget a key; raises ApiKeyError if there is none of this name."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.API_KEYS, name)
            pipe.hdel(keys.API_KEYS_USED, name)
            removed, _ = pipe.execute()
        if not removed:
            raise _unknown(name)

    def limit(self, name: str, per_minute: int | None, open_jobs: int | None) -> ApiKey:
        """Change the limits that are given; raises ApiKeyError if there is no such key."""

        def change(pipe: Any) -> ApiKey:
            found = pipe.hget(keys.API_KEYS, name)
            if found is None:
                raise _unknown(name)
            key = ApiKey.model_validate_json(found)
            given = {"per_minute": per_minute, "open_jobs": open_jobs}
            limits = key.limits._replace(**{k: v for k, v in given.items() if v is not None})
            changed = key.model_copy(update={"limits": limits})
            pipe.multi()
            pipe.hset(keys.API_KEYS, name, changed.model_dump_json())
            return changed

        # Watched, or a key that is removed meanwhile would be back.
        watched: Any = self._redis.transaction
        return cast(ApiKey, watched(change, keys.API_KEYS, value_from_callable=True))

    def touch(self, name: str, day: str) -> None:
        """Note the day on which a key was used."""
        self._redis.hset(keys.API_KEYS_USED, name, day)

    def uses(self) -> dict[str, Use]:
        """Every key by its name, with what its caller does."""
        known = self.all()
        used = cast(dict[bytes, bytes], self._redis.hgetall(keys.API_KEYS_USED))
        jobs = cast(dict[bytes, bytes], self._redis.hgetall(keys.OPEN))
        return {
            name: Use(key, used.get(name.encode(), b"").decode(), int(jobs.get(name.encode(), 0)))
            for name, key in known.items()
        }


def _unknown(name: str) -> ApiKeyError:
    return ApiKeyError(f"no key is named {name}; `imagequeue keys list` shows all")
