"""Authentication and rate limits of the HTTP API."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, NamedTuple

import redis
from fastapi import Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis.exceptions import RedisError

from ...config.redis import reachable
from ...config.settings import PREFIX, Settings
from ...errors import ConfigError
from ...providers.request import Priority
from ...store.callers.api_keys import SAFE_NAME, ApiKeys, Limits
from ...store.callers.hashing import hash_key
from ...store.callers.login_links import LOCAL as LOCAL_NAME
from ...store.callers.login_links import LoginLinks
from ...store.callers.rate_limits import RateLimiter
from ...store.callers.roles import Role, find_role
from ...store.callers.sessions import Session, Sessions
from ...store.clock import RedisClock
from . import browser

# A removed key stops working after this time; until then requests cost no round trip.
CACHED_S = 3.0


class Caller(NamedTuple):
    """An authenticated caller: the name of its API key, its limits and its rights."""

    name: str
    limits: Limits = Limits()
    is_admin: bool = False
    is_read_only: bool = False
    max_priority: Priority = "normal"

    @property
    def role(self) -> Role:
        """The name of its rights."""
        return find_role(is_admin=self.is_admin, is_read_only=self.is_read_only)

    @property
    def sees(self) -> str | None:
        """Whose jobs it has access to: its own name, or None for everybody's."""
        return None if self.is_admin else self.name


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
LOCAL = Caller(LOCAL_NAME, is_admin=True, max_priority="high")
Known = list[tuple[str, Caller]]


class _Cache(NamedTuple):
    """The callers by the hashes of their keys, as of a time of this machine's clock."""

    read_at: float = float("-inf")
    day: str = ""
    known: Known = []  # noqa: RUF012 - it is never changed


class Access:
    """Admits callers with an API key or a local login; while no key exists, this machine too.

    Keys come from the environment, admins without limits, and from Redis, cached for CACHED_S.
    """

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._now = now or RedisClock(client)
        self._environment = list(_read_environment_keys(settings))
        self.links = LoginLinks(client)
        self.sessions = Sessions(client, self._now)
        self._keys = ApiKeys(client)
        self._limiter = RateLimiter(client)
        self._cached = _Cache()
        self._used: dict[str, str] = {}
        """The day on which each key was last used, by its hash."""

    async def __call__(self, request: Request, given: Bearer = None) -> Caller:
        """Return the caller; raises what `admit` raises."""
        # A thread costs a request more than the check, which seldom has to wait for Redis.
        if self._has_to_ask(request, given):
            return await run_in_threadpool(self.admit, request, given)
        return self.admit(request, given)

    def _has_to_ask(self, request: Request, given: Bearer) -> bool:
        """Whether a request cannot be admitted by what is cached: Redis has to be asked."""
        if self._is_old():
            return True
        if given and self._cached.known:
            return self._used.get(hash_key(given.credentials)) != self._cached.day
        return bool(browser.read_cookie(request))

    def admit(self, request: Request, given: Bearer = None) -> Caller:
        """Return the caller; raises HTTPException 401 or 403 for an unknown one."""
        if given and self._known():
            caller = _require_right(request, self.find_caller(given.credentials))
        else:
            caller = self.caller_or_none(request)
        if caller is None:
            raise HTTPException(401, "give one of the API keys: Authorization: Bearer KEY")
        return caller

    def make_recheck(self, request: Request, given: Bearer = None) -> Callable[[], bool]:
        """Return what says, as long as a request is open, whether it still sees the same jobs.

        Sessions and keys may be removed meanwhile, and roles may change.
        """
        sees = self.admit(request, given).sees

        def recheck() -> bool:
            try:
                return self.admit(request, given).sees == sees
            except HTTPException:
                return False

        return recheck

    def caller_or_none(self, request: Request) -> Caller | None:
        """Return the caller of a request without a header, by cookie or local address, or None.

        Raises HTTPException 403 where a key would not help: for a cross-site browser request, and
        for other machines while no key exists, and for a change by a viewer.
        """
        return _require_right(request, self.find_visitor(request))

    def find_visitor(self, request: Request) -> Caller | None:
        """Return the same caller for what every role may change; raises HTTPException 403."""
        cookie = browser.read_cookie(request)
        caller = self._find_by_cookie(cookie) if cookie else None
        if caller:
            browser.require_same_origin(request)
        elif not self._known():
            browser.require_local(request)
            return LOCAL
        return caller

    def _find_by_cookie(self, cookie: str) -> Caller | None:
        with reachable():
            session = self.sessions.find(cookie)
        if session is None:
            # Earlier versions put the key itself into the cookie, which lasts for 30 days.
            return self.find_caller(cookie)
        if session.role:
            return _make_caller(session.caller, session.role)
        for key_hash, caller in self._known():
            if caller.name == session.caller and session.is_of(cookie, key_hash):
                self._record_use(key_hash, caller.name)
                return caller
        return None

    def find_role(self, session: Session) -> Role | None:
        """Return the role that a session has now; None if its key is gone."""
        roles = {caller.name: caller.role for _, caller in self._known()}
        return session.role or roles.get(session.caller)

    def find_caller(self, key: str) -> Caller | None:
        """Return the caller with this key, or None."""
        presented, found = hash_key(key), None
        for known, caller in self._known():
            if hmac.compare_digest(presented, known):
                found = caller
        if found:
            self._record_use(presented, found.name)
        return found

    @reachable()
    def acquire(self, caller: Caller, jobs: int) -> None:
        """Count jobs that the caller is about to submit; raises LimitError, and then counts none.

        The limit per minute is exact across processes. Open jobs are counted only when they are
        added, so simultaneous requests may exceed that limit by what they add.
        """
        self._limiter.acquire(caller.name, caller.limits, jobs, self._now())

    def _known(self) -> Known:
        if self._is_old():
            read_at = time.monotonic()
            # Raises while Redis is unreachable: a stale cache admits nobody.
            with reachable():
                known = [*self._environment, *self._read_redis_keys()]
                self._cached = _Cache(read_at, self._now().date().isoformat(), known)
        return self._cached.known

    def _is_old(self) -> bool:
        return time.monotonic() - self._cached.read_at >= CACHED_S

    def _read_redis_keys(self) -> Iterator[tuple[str, Caller]]:
        found, unreadable = self._keys.read()
        for name, key in found.items():
            yield (
                key.hash,
                Caller(name, key.limits, key.is_admin, key.is_read_only, key.highest_priority),
            )
        for name in unreadable:
            # No key has this hash. But while there are keys, nobody has access without one.
            yield "", Caller(name)

    def _record_use(self, key_hash: str, name: str) -> None:
        with suppress(RedisError):  # informational: no reason to refuse the request
            if self._used.get(key_hash) != self._cached.day:
                self._used[key_hash] = self._cached.day
                self._keys.record_use(name, self._cached.day)


def require_admin(caller: Caller) -> None:
    """Raise HTTPException 403 for a caller that may not change what concerns every caller."""
    if not caller.is_admin:
        raise HTTPException(403, "this needs an admin key: `imagequeue keys add NAME --admin`")


def _require_right(request: Request, caller: Caller | None) -> Caller | None:
    """Return the caller; raises HTTPException 403 if a read-only one would change something."""
    if caller and caller.is_read_only and request.method not in browser.SAFE_METHODS:
        raise HTTPException(
            403, "a viewer changes nothing: this API key, or login, is read-only; use another one"
        )
    return caller


def _make_caller(name: str, role: Role) -> Caller:
    """Return the caller of a login link's session."""
    priority: Priority = "high" if role is Role.ADMIN else "normal"
    return Caller(name, Limits(), *role.rights, priority)


def _read_environment_keys(settings: Settings) -> Iterator[tuple[str, Caller]]:
    """Yield the environment's keys, `KEY` or `NAME:KEY`; a ConfigError never quotes a key."""
    for number, secret in enumerate(settings.api_keys, 1):
        name, colon, key = secret.get_secret_value().partition(":")
        if not colon:
            name, key = f"env-{number}", name
        if not key or not SAFE_NAME.fullmatch(name):
            raise ConfigError(
                f"{PREFIX}API_KEYS: entry {number} must be KEY or NAME:KEY, the name up to 64 "
                "letters, digits, dots, dashes and underscores"
            )
        yield hash_key(key), Caller(name, is_admin=True, max_priority="high")
