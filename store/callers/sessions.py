"""Sessions of browsers: a login starts one; it ends in time, by a logout, or when it is revoked.

Redis has the hash of a session's secret, which is only in the cookie of its browser.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import redis
from pydantic import BaseModel, ConfigDict
from redis.exceptions import RedisError

from .. import keys
from ..decoding import decode_numbers
from .hashing import hash_key
from .roles import Role

KEY_SESSION_S = 30 * 86400
LINK_SESSION_S = 12 * 3600
# Of each caller: another login ends the session that was not used for longest.
MAX_SESSIONS = 50
RECORD_USE_EVERY_S = 300
SHORT_HASH = 12


class Session(BaseModel):
    """The record of a session, without its secret."""

    model_config = ConfigDict(frozen=True)

    caller: str
    role: Role | None = None
    """What a login link gives; None for a session of an API key, which has the key's rights."""
    key_proof: str = ""
    """Shows with the secret which key the session is of; without the secret it says nothing."""
    browser: str = ""
    started_at: datetime
    ends_at: datetime

    @property
    def login(self) -> Literal["key", "link"]:
        """What started it."""
        return "link" if self.role else "key"

    def is_of(self, secret: str, key_hash: str) -> bool:
        """Return whether this key, given by its hash, started the session with this secret."""
        return hmac.compare_digest(self.key_proof, _prove(secret, key_hash))


class SessionUse(NamedTuple):
    """A session, and when it was last used, to within RECORD_USE_EVERY_S."""

    hash: str
    session: Session
    used_at: datetime

    @property
    def id(self) -> str:
        """What names the session to people; it opens nothing."""
        return self.hash[:SHORT_HASH]


class Sessions:
    """The sessions of all callers."""

    def __init__(self, client: redis.Redis, now: Callable[[], datetime]) -> None:
        self._redis = client
        self._now = now

    def start(
        self, caller: str, *, role: Role | None = None, key_hash: str = "", browser: str = ""
    ) -> str:
        """Start a session of a link, with its role, or of a key; return its secret."""
        secret, now = secrets.token_urlsafe(32), self._now()
        session = Session(
            caller=caller,
            role=role,
            key_proof=_prove(secret, key_hash) if key_hash else "",
            browser=browser,
            started_at=now,
            ends_at=now + timedelta(seconds=LINK_SESSION_S if role else KEY_SESSION_S),
        )
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.SESSIONS, hash_key(secret), session.model_dump_json())
            pipe.hset(keys.SESSIONS_USED, hash_key(secret), int(now.timestamp()))
            pipe.execute()
        of_caller = [each for each in self.list_all() if each.session.caller == caller]
        self.end(each.hash for each in of_caller[MAX_SESSIONS:])
        return secret

    def find(self, secret: str) -> Session | None:
        """Return the session with this secret and record its use; None if it has ended."""
        field, now = hash_key(secret), self._now()
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(keys.SESSIONS, field)
            pipe.hmget(keys.SESSIONS_USED, [field])
            record, (used,) = pipe.execute()
        session = _parse(record)
        if session is None or session.ends_at <= now:
            return None
        last = decode_numbers({b"": used or b"0"}).get("", 0)
        if now.timestamp() - last >= RECORD_USE_EVERY_S:
            with suppress(RedisError):  # informational: no reason to refuse the request
                self._redis.hset(keys.SESSIONS_USED, field, int(now.timestamp()))
        return session

    def list_all(self) -> list[SessionUse]:
        """Return the sessions, the one that was used last first; delete those that have ended."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.SESSIONS)
            pipe.hgetall(keys.SESSIONS_USED)
            records, used = pipe.execute()
        now, numbers = self._now(), decode_numbers(used)
        # A record that cannot be read stays: a later version may have written it.
        known = {
            name.decode(): each for name, record in records.items() if (each := _parse(record))
        }
        self.end(name for name, session in known.items() if session.ends_at <= now)
        uses = [
            SessionUse(name, session, datetime.fromtimestamp(numbers.get(name, 0), UTC))
            for name, session in known.items()
            if session.ends_at > now
        ]
        return sorted(uses, key=lambda each: (each.used_at, each.session.started_at), reverse=True)

    def end(self, hashes: Iterable[str]) -> None:
        """End the sessions with these hashes of their secrets."""
        if ended := list(hashes):
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hdel(keys.SESSIONS, *ended)
                pipe.hdel(keys.SESSIONS_USED, *ended)
                pipe.execute()

    def end_all(self) -> int:
        """End every session, also those whose record cannot be read; return how many."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hlen(keys.SESSIONS)
            pipe.delete(keys.SESSIONS, keys.SESSIONS_USED)
            count, _ = pipe.execute()
        return int(count)

    def end_of_key(self, name: str) -> None:
        """End the sessions that the API key of this name has started."""
        self.end(
            each.hash
            for each in self.list_all()
            if each.session.caller == name and each.session.role is None
        )


def _prove(secret: str, key_hash: str) -> str:
    """Return what binds a session to its key.

    A hash of the key alone could be guessed from, as keys of the environment may be weak.
    """
    return hmac.new(
        secret.encode(errors="surrogateescape"), key_hash.encode(), "sha256"
    ).hexdigest()


def _parse(record: Any) -> Session | None:
    try:
        return None if record is None else Session.model_validate_json(record)
    except ValueError:
        return None
