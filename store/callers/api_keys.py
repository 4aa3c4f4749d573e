"""API keys, stored in Redis as hashes: who may submit jobs, and how many."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import redis
from pydantic import BaseModel, ConfigDict

from ...config.budgets import Budget
from ...errors import ApiKeyError, UnreadableRecordError
from ...providers.request import Priority
from .. import keys
from ..decoding import decode_id, decode_numbers
from ..webhooks import keys as webhook_keys
from .hashing import hash_key as hash_key
from .roles import Role, find_role

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Callers without a key in Redis: local ones, Celery clients, and keys from the environment.
RESERVED = re.compile(r"local|celery|cli|python|env-.*")


def is_key_name(name: str) -> bool:
    """Return whether a key may have this name."""
    return bool(SAFE_NAME.fullmatch(name)) and not RESERVED.fullmatch(name)


class Limits(NamedTuple):
    """How many jobs a caller may submit, and how many are at providers at once; 0 for no limit."""

    per_minute: int = 0
    open_jobs: int = 0
    in_flight: int = 0


class ApiKey(BaseModel):
    """The record of a key, without the key itself."""

    model_config = ConfigDict(frozen=True)

    hash: str
    created_at: datetime
    limits: Limits = Limits()
    is_admin: bool = False
    """Whether it may see and change the jobs of every caller; without it, only its own."""
    is_read_only: bool = False
    budgets: tuple[Budget, ...] = ()
    """The maximum that its jobs may cost."""
    max_priority: Priority | None = None
    """The highest priority of its jobs; None for `high` with an admin key, else `normal`."""

    @property
    def role(self) -> Role:
        """The name of its rights."""
        return find_role(is_admin=self.is_admin, is_read_only=self.is_read_only)

    @property
    def highest_priority(self) -> Priority:
        """The highest priority that its jobs may have."""
        return self.max_priority or ("high" if self.is_admin else "normal")


class StoredKeys(NamedTuple):
    """The keys by name, and why each of the others cannot be read."""

    keys: dict[str, ApiKey]
    unreadable: dict[str, str]


class KeyUse(NamedTuple):
    """A key and how it is used."""

    key: ApiKey
    last_used: str
    """The day, as an ISO date; empty for never."""
    open_jobs: int


class ApiKeys:
    """The API keys by their names."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def read(self) -> StoredKeys:
        """Return every key by its name, and of those that cannot be read why."""
        found = cast(dict[bytes, bytes], self._redis.hgetall(keys.API_KEYS))
        stored = StoredKeys({}, {})
        for name, record in sorted(found.items()):
            text = name.decode(errors="backslashreplace")
            try:
                stored.keys[text] = _parse_key(text, record)
            except UnreadableRecordError as error:
                stored.unreadable[text] = error.why
        return stored

    def all(self) -> dict[str, ApiKey]:
        """Return every key that can be read by its name."""
        return self.read().keys

    def add(
        self,
        name: str,
        limits: Limits,
        at: datetime,
        *,
        is_admin: bool = False,
        is_read_only: bool = False,
        max_priority: Priority | None = None,
        budgets: Sequence[Budget] = (),
    ) -> str:
        """Make a key and return it; it is not stored and cannot be shown again.

        Raises ApiKeyError for a name that is taken or malformed.
        """
        if not is_key_name(name):
            raise ApiKeyError(
                f"{name!r} cannot name a key: give up to 64 letters, digits, dots, dashes and "
                "underscores; local, celery, cli, python and env-... are taken"
            )
        key = f"iq_{secrets.token_urlsafe(32)}"
        record = ApiKey(
            hash=hash_key(key),
            created_at=at,
            limits=limits,
            is_admin=is_admin,
            is_read_only=is_read_only,
            max_priority=max_priority,
            budgets=tuple(budgets),
        )
        if not self._redis.hsetnx(keys.API_KEYS, name, record.model_dump_json()):
            raise ApiKeyError(f"there is a key {name} already: remove it first, or name a new one")
        # An earlier version may have removed the key that had this name without its webhook.
        self._redis.hdel(webhook_keys.CALLER_WEBHOOKS, name)
        return key

    def remove(self, name: str) -> None:
        """Delete a key; raises ApiKeyError if there is no key of this name."""
        _require_printable(name)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.API_KEYS, name)
            pipe.hdel(keys.API_KEYS_USED, name)
            pipe.hdel(webhook_keys.CALLER_WEBHOOKS, name)
            removed, *_ = pipe.execute()
        if not removed:
            raise _make_unknown_error(name)

    def change(
        self,
        name: str,
        *,
        per_minute: int | None = None,
        open_jobs: int | None = None,
        in_flight: int | None = None,
        is_admin: bool | None = None,
        is_read_only: bool | None = None,
        max_priority: Priority | None = None,
        budgets: tuple[Budget, ...] | None = None,
    ) -> ApiKey:
        """Change what is not None; raises ApiKeyError, or UnreadableRecordError."""
        _require_printable(name)
        limits = _drop_none(per_minute=per_minute, open_jobs=open_jobs, in_flight=in_flight)
        others = _drop_none(
            is_admin=is_admin,
            is_read_only=is_read_only,
            max_priority=max_priority,
            budgets=budgets,
        )

        def apply(pipe: Any) -> ApiKey:
            found = pipe.hget(keys.API_KEYS, name)
            if found is None:
                raise _make_unknown_error(name)
            key = _parse_key(name, found)
            changed = key.model_copy(update={"limits": key.limits._replace(**limits), **others})
            pipe.multi()
            pipe.hset(keys.API_KEYS, name, changed.model_dump_json())
            return changed

        # WATCH, so that a key that is removed meanwhile is not written again.
        transaction: Any = self._redis.transaction
        return cast(ApiKey, transaction(apply, keys.API_KEYS, value_from_callable=True))

    def record_use(self, name: str, day: str) -> None:
        """Store the day, an ISO date, on which a key was last used."""
        self._redis.hset(keys.API_KEYS_USED, name, day)

    def list_uses(self) -> dict[str, KeyUse]:
        """Return every key by its name, with how it is used."""
        known = self.all()
        used = cast(dict[bytes, bytes], self._redis.hgetall(keys.API_KEYS_USED))
        jobs = decode_numbers(cast(dict[bytes, bytes], self._redis.hgetall(keys.OPEN_JOBS)))
        return {
            name: KeyUse(key, decode_id(used.get(name.encode(), b"")), jobs.get(name, 0))
            for name, key in known.items()
        }


def find_budgets(name: str, record: bytes | None) -> tuple[Budget, ...]:
    """Return the budgets in the record of a key; none without a record that can be read."""
    try:
        return _parse_key(name, record).budgets if record else ()
    except UnreadableRecordError:
        return ()


def _parse_key(name: str, record: bytes) -> ApiKey:
    try:
        return ApiKey.model_validate_json(record)
    except ValueError:
        # pydantic's message would quote the record.
        why = f"it is damaged, so the key is refused: `imagequeue keys remove {name}` deletes it"
        raise UnreadableRecordError(name, why) from None


def _drop_none(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _require_printable(name: str) -> None:
    """Raise ApiKeyError for a name that Redis would not take, such as bytes that are not UTF-8."""
    if not name.isprintable():
        raise _make_unknown_error(name)


def _make_unknown_error(name: str) -> ApiKeyError:
    return ApiKeyError(f"no key is named {name}; `imagequeue keys list` shows all")
