"""Pausing and resuming by hand: everything, a provider, or one key of an account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..config.redis import connect, reachable
from ..config.settings import Settings
from ..errors import InvalidRequestError, Problem, UnknownPauseError
from ..providers import PROVIDERS, list_services
from ..store import keys
from ..store.clock import RedisClock
from ..store.submit.pauses import ALL, Pause, Pauses

MAX_REASON_CHARACTERS = 500


class PauseControl:
    """Pauses submissions; queued jobs keep their place, and polls and downloads go on.

    Every method raises RedisUnavailableError if Redis does not answer.
    """

    def __init__(self, settings: Settings, now: Callable[[], datetime] | None = None) -> None:
        client = connect(settings)
        self._settings = settings
        self._pauses = Pauses(client)
        self._now = now or RedisClock(client)

    @reachable()
    def list_all(self, *, redacted: bool = False) -> list[Pause]:
        """Return every pause in force; redacted, without authors and words of providers."""
        pauses = self._pauses.list_all(self._now())
        return [pause.redact() for pause in pauses] if redacted else pauses

    @reachable()
    def pause(self, name: str, reason: str, author: str) -> Pause:
        """Pause a name until it is resumed; raises InvalidRequestError."""
        problems = []
        if name not in (known := self.list_names()):
            words = f"must be one of {', '.join(known)}"
            problems.append(Problem("name", words))
        if len(reason) > MAX_REASON_CHARACTERS or not reason.isprintable():
            words = f"must be at most {MAX_REASON_CHARACTERS} printable characters"
            problems.append(Problem("reason", words))
        if problems:
            raise InvalidRequestError(problems)
        return self._pauses.pause(name, reason, author, self._now())

    @reachable()
    def resume(self, name: str) -> None:
        """End every pause of a name, also those that a provider caused; raises UnknownPauseError.

        A sweep sends its jobs within a second.
        """
        # Bytes of a command line that are not UTF-8 are no name, and Redis would not take them.
        if not name.isprintable() or not self._pauses.resume(name):
            raise UnknownPauseError(name)

    def list_names(self) -> list[str]:
        """Return what can be paused."""
        accounts = {
            keys.account_key(provider.quota, key.name): None
            for provider in list_services()
            for key in self._settings.account(provider.account).keys
            if key.serves(provider.service)
        }
        return [ALL, *PROVIDERS, *accounts]
