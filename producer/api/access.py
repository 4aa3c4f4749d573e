"""Who gets into the HTTP API, and how many jobs each may send."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import redis
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis.exceptions import RedisError

from ...config.redis import to_unavailable_error
from ...config.settings import PREFIX, Settings
from ...errors import ConfigError
from ...store.api_keys import SAFE_NAME, ApiKeys, Limits, hash_key
from ...store.rate_limits import RateLimiter
from . import browser

# A key that is removed opens nothing any more after so long; requests cost no round trip meanwhile.
CACHED_S = 3.0


class Caller(NamedTuple):
    """Who asks: the name of an API key, and what it may do."""

    name: str
    limits: Limits = Limits()


LOCAL = Caller("local")
Known = list[tuple[str, Caller]]


class Access:
    """Lets in whoever has a key; while there is none at all, this machine alone.

    Keys come from the environment, which has no limits for them, and from Redis, where each is
    looked up again after CACHED_S: so long a key that was removed still opens.
    """

    def __init__(
        self, settings: Settings, client: redis.Redis, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._own = list(_environment_keys(settings))
        self._keys = ApiKeys(client)
        self._admission = RateLimiter(client)
        self._cached: tuple[float, Known] = (float("-inf"), [])
        self._used: dict[str, str] = {}

    def __call__(
        self,
        request: Request,
        given: Annotated[
            HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))
        ] = None,
    ) -> Caller:
        """Who asks; raises HTTPException with status 401 or 403 for nobody we know."""
        if given and self._known():
            caller = self.of_key(given.credentials)
        else:
            caller = self.caller_or_none(request)
        if caller is None:
            raise HTTPException(401, "give one of the API keys: Authorization: Bearer KEY")
        return caller

    def caller_or_none(self, request: Request) -> Caller | None:
        """Who asks without a header: a browser with its cookie, or this machine; else None.

        Raises HTTPException with status 403 where no key would help: for a request that another
        site has a browser send, and for other machines while there is no key at all.
        """
        if not self._known():
            browser.require_local(request)
            return LOCAL
        key = browser.key_of(request)
        caller = self.of_key(key) if key else None
        if caller:
            browser.require_same_origin(request)
        return caller

    def of_key(self, key: str) -> Caller | None:
        """Whose key this is; None for nobody's."""
        presented, found = hash_key(key), None
        for known, caller in self._known():
            if hmac.compare_digest(presented, known):
                found = caller
        if found:
            self._note_use(found.name)
        return found

    def admit(self, caller: Caller, jobs: int) -> None:
        """Count jobs that the caller is about to send; raises LimitError, and then none counts.

        Jobs a minute are exact over all processes. Open jobs are counted as they are added, which
        is a second step: requests at the same time may go over that limit by what they add.
        """
        try:
            self._admission.acquire(caller.name, caller.limits, jobs, self._now())
        except RedisError as error:
            raise to_unavailable_error(error) from error

    def _known(self) -> Known:
        read_at, known = self._cached
        if time.monotonic() - read_at >= CACHED_S:
            read_at = time.monotonic()
            # Raises while Redis is away: nobody is let in on what was known once.
            known = [*self._own, *self._from_redis()]
            self._cached = read_at, known
        return known

    def _from_redis(self) -> Iterator[tuple[str, Caller]]:
        try:
            found = self._keys.all()
        except RedisError as error:
            raise to_unavailable_error(error) from error
        for name, key in found.items():
            yield key.hash, Caller(name, key.limits)

    def _note_use(self, name: str) -> None:
        day = datetime.fromtimestamp(self._now(), UTC).date().isoformat()
        if self._used.get(name) == day:
            return
        self._used[name] = day
        with suppress(RedisError):  # nice to know, and no reason to refuse anybody
            self._keys.record_use(name, day)


def _environment_keys(settings: Settings) -> Iterator[tuple[str, Caller]]:
    """The keys of the environment, `KEY` or `NAME:KEY`; raises ConfigError, without the key."""
    for number, secret in enumerate(settings.api_keys, 1):
        name, colon, key = secret.get_secret_value().partition(":")
        if not colon:
            name, key = f"env-{number}", name
        if not key or not SAFE_NAME.fullmatch(name):
            raise ConfigError(
                f"{PREFIX}API_KEYS: entry {number} must be KEY or NAME:KEY, the name up to 64 "
                "letters, digits, dots, dashes and underscores"
            )
        yield hash_key(key), Caller(name)
