"""Pauses: what is not sent for now, since when and why; polls and downloads go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict, Field

from ..jobs.job import Job, add_seconds
from . import keys
from .scripts import register_script

ALL = "all"
"""The name of the pause of everything."""


class PauseKind(StrEnum):
    """Why something is paused; each name may have one pause of each kind, and none ends another."""

    HAND = "hand"
    """A person did it; it ends when a person resumes it."""
    RATE_LIMIT = "rate_limit"
    """The provider answered 429 to this key; it ends by itself."""


class Pause(BaseModel):
    """One pause."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="`all`, a provider, or a key, as `ACCOUNT:KEY`.")
    kind: PauseKind
    reason: str = ""
    author: str = Field("", description="The caller that paused it; empty if no caller did.")
    since: datetime
    until: datetime | None = Field(None, description="Null: until it is resumed.")


class Pauses:
    """The pauses in Redis, which `lease_submits` obeys; times are those of Redis's clock."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._begin = register_script(client, "begin_pause")

    def list_all(self, now: datetime) -> list[Pause]:
        """Return every pause in force, by its name."""
        found: Any = self._redis.hgetall(keys.PAUSES)
        return list_pauses(found, now)

    def pause(self, name: str, reason: str, author: str, now: datetime) -> Pause:
        """Pause a name until it is resumed."""
        pause = Pause(name=name, kind=PauseKind.HAND, reason=reason, author=author, since=now)
        self._redis.hset(keys.PAUSES, keys.pause(name, pause.kind), _dump(pause))
        return pause

    def resume(self, name: str) -> bool:
        """End all pauses of a name; return whether there were any."""
        return bool(self._redis.hdel(keys.PAUSES, *(keys.pause(name, kind) for kind in PauseKind)))

    def limit_rate(self, quota: str, key: str, seconds: float, now: datetime) -> None:
        """Pause a key, given by its name, for some seconds, or as long as it is paused already."""
        until = add_seconds(now, seconds)
        name = keys.account_key(quota, key)
        pause = Pause(name=name, kind=PauseKind.RATE_LIMIT, since=now, until=until)
        self._begin(
            keys=[keys.PAUSES],
            args=[keys.pause(name, pause.kind), _dump(pause), until.timestamp()],
        )

    def forbid(self, job: Job, quota: str, key: str, now: datetime) -> bool:
        """Whether a job must not be sent with a key now."""
        names = (ALL, job.provider, keys.account_key(quota, key))
        return any(_is_in_force(pause, now) for pause in self._read(names))

    def _read(self, names: Iterable[str]) -> Iterable[Pause]:
        fields = [keys.pause(name, kind) for name in names for kind in PauseKind]
        found: Any = self._redis.hmget(keys.PAUSES, fields)
        return [_load(field, text) for field, text in zip(fields, found, strict=True) if text]


def list_pauses(found: Mapping[bytes, bytes], now: datetime) -> list[Pause]:
    """Return the pauses in force of the hash PAUSES, by their names."""
    pauses = [_load(field.decode(), text) for field, text in sorted(found.items())]
    return [pause for pause in pauses if _is_in_force(pause, now)]


def _is_in_force(pause: Pause, now: datetime) -> bool:
    return pause.until is None or pause.until > now


def _dump(pause: Pause) -> str:
    times = {"since": pause.since, "until": pause.until}
    known = {name: time.timestamp() for name, time in times.items() if time}
    return json.dumps({"reason": pause.reason, "author": pause.author, **known})


def _load(field: str, text: bytes) -> Pause:
    name, _, kind = field.rpartition("|")
    fields = json.loads(text)
    times = {
        each: datetime.fromtimestamp(fields.pop(each), UTC)
        for each in ("since", "until")
        if each in fields
    }
    return Pause(name=name, kind=PauseKind(kind), **fields, **times)
