"""Limit the requests to one host, so that a slow host leaves threads for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from urllib.parse import urlsplit

# A fast host frees a slot within this time.
WAIT_S = 0.5


class HostBusyError(Exception):
    """As many requests to the host as are allowed are under way."""


class HostSlots:
    """At most `max_per_host` requests to one host and port at once, in this process."""

    def __init__(self, max_per_host: int) -> None:
        self._max_per_host = max_per_host
        self._held: Counter[str] = Counter()
        self._changed = Condition()

    @contextmanager
    def hold(self, url: str) -> Iterator[None]:
        """Hold a slot of the URL's host; raises HostBusyError if none is free in `WAIT_S`."""
        host = _get_netloc(url)
        with self._changed:
            if not self._changed.wait_for(lambda: self._held[host] < self._max_per_host, WAIT_S):
                raise HostBusyError(f"{self._max_per_host} requests to its host are under way")
            self._held[host] += 1
        try:
            yield
        finally:
            with self._changed:
                self._held[host] -= 1
                if not self._held[host]:
                    del self._held[host]
                self._changed.notify_all()


def _get_netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:  # the request itself will be refused
        return ""
