"""HTTP with a total deadline, and errors that say whether anything was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import requests
from urllib3.exceptions import HTTPError

from . import connections
from .connections import Adapter, PrivateAddressError
from .connections import exchange as under_way

CONNECT_TIMEOUT_S = 5.0
MOST_REDIRECTS = 5


class NotSentError(Exception):
    """Nothing of the request left this machine: it cannot have been paid."""


class NoAnswerError(Exception):
    """The request went out and no whole answer came back: what it did is not known."""


class Http:
    """HTTP for workers; `trusted` hosts (`host:port`) may lie on private addresses."""

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = frozenset(trusted)
        self._local = threading.local()

    @contextmanager
    def exchange(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        guarded: bool = False,
        fresh: bool = False,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Iterator[requests.Response]:
        """One request and its answer, to be read before `deadline` on the monotonic clock.

        A guarded exchange follows redirects, and raises PrivateAddressError at a step that leaves
        the public internet. A fresh one has a connection of its own: an idle one may be dead
        without a sign. Raises NotSentError or NoAnswerError otherwise, also while the body is read
        inside the `with`.
        """
        under_way.deadline = deadline
        left_s = max(0.001, deadline - time.monotonic())
        under_way.sent = False
        under_way.guarded = guarded
        under_way.trusted = self._trusted
        under_way.refused = ""
        under_way.silence_s = min(connections.READ_TIMEOUT_S, left_s) if guarded else left_s
        closing = {"Connection": "close"} if fresh else {}
        try:
            with self._session("guarded" if guarded else "fresh" if fresh else "kept").request(
                method,
                url,
                headers={**(headers or {}), **closing},
                params=params,
                json=json,
                timeout=(min(CONNECT_TIMEOUT_S, left_s), under_way.silence_s),
                stream=True,
                allow_redirects=guarded,
            ) as response:
                yield response
        except (requests.RequestException, HTTPError, TimeoutError, PrivateAddressError) as error:
            if under_way.refused:
                raise PrivateAddressError(f"{under_way.refused} is a private address") from None
            kind = NoAnswerError if under_way.sent else NotSentError
            raise kind(_describe(error)) from None

    def _session(self, kind: str) -> requests.Session:
        """This thread's session of a kind: a connection made unguarded is never used guarded."""
        session: requests.Session | None = getattr(self._local, kind, None)
        if session is None:
            session = requests.Session()
            setattr(self._local, kind, session)
            # A .netrc or a proxy of this machine must not replace a key or carry it elsewhere.
            session.trust_env = False
            session.max_redirects = MOST_REDIRECTS
            session.mount("http://", Adapter(pool_maxsize=4))
            session.mount("https://", Adapter(pool_maxsize=4))
        return session


def _describe(error: BaseException) -> str:
    """The innermost cause, by its kind: URLs and headers stay out of logs."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
