"""Pauses: what is not sent for now, since when and why; polls and downloads go on."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import redis
from pydantic import BaseModel, ConfigDict, Field

from ...jobs.job import Job, add_seconds
from .. import keys
from ..decoding import decode_id
from ..scripts import register_script
from .places import get_upstream

EPOCH = datetime.fromtimestamp(0, UTC)

ALL = "all"
"""The name of the pause of everything."""


class PauseKind(StrEnum):
    """Why something is paused; each name may have one pause of each kind, and none ends another."""

    HAND = "hand"
    """A person did it; it ends when a person resumes it."""
    RATE_LIMIT = "rate_limit"
    """The provider answered 429 to this key; it ends by itself."""
    AUTH = "auth"
    """The provider refused this key; one job tries again from time to time."""
    CREDIT = "credit"
    """This key has no credit; one job tries again from time to time."""
    OUTAGE = "outage"
    """This provider or model failed several times in a row; one job tries again soon."""


TRIED_AGAIN = frozenset({PauseKind.AUTH, PauseKind.CREDIT, PauseKind.OUTAGE})
"""Kinds that are in force until a job is accepted, although one job tries at `until`."""
FIRST_PAUSE_S = 300.0
MAX_PAUSE_S = 3600.0
FIRST_OUTAGE_S = 15.0
MAX_OUTAGE_S = 60.0
# Failures are counted as long as the first of them is no older than this.
FAILURE_WINDOW_S = 300.0


class Pause(BaseModel):
    """One pause."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="`all`, a provider, a key as `ACCOUNT:KEY`, or `PROVIDER/MODEL`.")
    kind: PauseKind
    reason: str = ""
    author: str = Field("", description="The caller that paused it; empty if no caller did.")
    since: datetime
    until: datetime | None = Field(
        None, description="When it ends, or when one job tries again; null: until it is resumed."
    )
    tried_by: str = Field("", exclude=True)
    """The job that tries whether the provider accepts again."""

    def is_in_force(self, now: datetime) -> bool:
        """Whether it has not ended; while a job tries again, it has not."""
        return self.kind in TRIED_AGAIN or self.until is None or self.until > now

    def redact(self) -> Pause:
        """Return what every caller may read: no author, and no words of a provider."""
        is_own = self.kind is PauseKind.HAND
        return self.model_copy(update={"author": "", "reason": self.reason if is_own else ""})

    def __str__(self) -> str:
        """Return the name and the reason, as in the position of a job that waits for it."""
        return f"{self.name}: {self.reason or self.kind}"

    def forbids(self, job: Job, now: datetime) -> bool:
        """Whether the job must not be sent now."""
        return self.tried_by != job.id and (self.until is None or self.until > now)


class KnownPauses(NamedTuple):
    """What is known of the pauses that concern a job with a key, just before it is sent."""

    pauses: list[Pause]
    """Those that a job has to try are included."""
    has_failures: bool
    """Whether the last job for its upstream failed."""

    def forbid(self, job: Job, now: datetime) -> bool:
        """Whether the job must not be sent now."""
        return any(pause.forbids(job, now) for pause in self.pauses)


class Pauses:
    """The pauses in Redis, which `lease_submits` obeys; times are those of Redis's clock."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._begin = register_script(client, "begin_pause")
        self._record_refusal = register_script(client, "record_refusal")

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

    def set_aside(self, job: Job, quota: str, kind: PauseKind, reason: str, now: datetime) -> None:
        """Pause the key that a job was refused with, until another try is accepted."""
        field = keys.pause(keys.account_key(quota, job.account_key), kind)
        self._record(field, job, reason, now, (FIRST_PAUSE_S, MAX_PAUSE_S, 1, 0))

    def count_failure(
        self, job: Job, reason: str, min_failures: int, now: datetime
    ) -> datetime | None:
        """Count a failure of a job's upstream; `min_failures` in a row pause it.

        Returns when one job tries again; None if it is not paused.
        """
        field = keys.pause(get_upstream(job), PauseKind.OUTAGE)
        limits = (FIRST_OUTAGE_S, MAX_OUTAGE_S, min_failures, FAILURE_WINDOW_S)
        return self._record(field, job, reason, now, limits)

    def _record(
        self, field: str, job: Job, reason: str, now: datetime, limits: tuple[float, ...]
    ) -> datetime | None:
        found: Any = self._record_refusal(
            keys=[keys.PAUSES, keys.FAILURES],
            args=[field, job.id, reason, now.timestamp(), *limits],
        )
        return datetime.fromtimestamp(float(found), UTC) if found else None

    def find(self, job: Job, quota: str, key: str) -> KnownPauses:
        """Return what is known of pauses that concern a job with a key."""
        upstream = keys.pause(get_upstream(job), PauseKind.OUTAGE)
        fields = [
            keys.pause(ALL, PauseKind.HAND),
            keys.pause(job.provider, PauseKind.HAND),
            *(keys.pause(keys.account_key(quota, key), kind) for kind in PauseKind),
            upstream,
        ]
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.PAUSES, fields)
            pipe.hexists(keys.FAILURES, upstream)
            found, has_failures = pipe.execute()
        pauses = [_load(field, text) for field, text in zip(fields, found, strict=True) if text]
        return KnownPauses(pauses, bool(has_failures))

    def find_obstacle(
        self, job: Job, quota: str, key_names: Iterable[str], now: datetime
    ) -> PauseKind | None:
        """Return why a job's provider certainly does not take it: an outage, or no key is left."""
        tried = (PauseKind.CREDIT, PauseKind.AUTH)
        at_keys = [
            [keys.pause(keys.account_key(quota, name), kind) for kind in tried]
            for name in key_names
        ]
        outage = keys.pause(get_upstream(job), PauseKind.OUTAGE)
        fields = [outage, *(field for each in at_keys for field in each)]
        found: Any = self._redis.hmget(keys.PAUSES, fields)
        in_force = {
            field: pause.kind
            for field, text in zip(fields, found, strict=True)
            if text and (pause := _load(field, text)).forbids(job, now)
        }
        if outage in in_force:
            return PauseKind.OUTAGE
        kinds = [next((in_force[f] for f in each if f in in_force), None) for each in at_keys]
        return None if None in kinds or not kinds else kinds[0]

    def end(self, job: Job, known: KnownPauses, kinds: Collection[PauseKind]) -> None:
        """End pauses that last until a job is accepted, and forget the failures before them."""
        fields = [keys.pause(each.name, each.kind) for each in known.pauses if each.kind in kinds]
        if fields:
            self._redis.hdel(keys.PAUSES, *fields)
        if known.has_failures:
            self._redis.hdel(keys.FAILURES, keys.pause(get_upstream(job), PauseKind.OUTAGE))


def list_pauses(found: Mapping[bytes, bytes], now: datetime) -> list[Pause]:
    """Return the pauses in force of the hash PAUSES, by their names."""
    pauses = [_load(decode_id(field), text) for field, text in sorted(found.items())]
    return [pause for pause in pauses if pause.is_in_force(now)]


def _dump(pause: Pause) -> str:
    times = {"since": pause.since, "until": pause.until}
    known = {name: time.timestamp() for name, time in times.items() if time}
    return json.dumps({"reason": pause.reason, "author": pause.author, **known})


def _load(field: str, text: bytes) -> Pause:
    name, _, kind = field.rpartition("|")
    try:
        fields = json.loads(text)
        times = {
            each: datetime.fromtimestamp(fields[each], UTC)
            for each in ("since", "until")
            if each in fields
        }
        words = {each: fields[each] for each in ("reason", "author", "tried_by") if each in fields}
        return Pause(name=name, kind=PauseKind(kind), **words, **times)
    except (ValueError, TypeError, AttributeError, OverflowError, OSError):
        reason = f"its entry is damaged: `imagequeue resume {name}` deletes it"
        return Pause(name=name, kind=PauseKind.HAND, reason=reason, since=EPOCH)
