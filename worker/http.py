"""HTTP with a total deadline, and errors that say whether anything was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

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


class NoWebAddressError(Exception):
    """The URL, or one that it leads to, is none that can be asked; or it leads on for ever."""


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
        follow: bool = True,
        fresh: bool = False,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: bytes | None = None,
    ) -> Iterator[requests.Response]:
        """One request and its answer, to be read before `deadline` on the monotonic clock.

        A guarded exchange raises PrivateAddressError at a step that leaves the public internet. It
        follows redirects, unless told not to, and raises NoWebAddressError at one that is no step.
        A fresh one has a connection of its own: an idle one may be dead without a sign. Raises
        NotSentError or NoAnswerError otherwise, also while the body is read inside the `with`.
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
            with _answer(
                self._session("guarded" if guarded else "fresh" if fresh else "kept"),
                method,
                url,
                MOST_REDIRECTS if guarded and follow else 0,
                headers={**(headers or {}), **closing},
                params=params,
                json=json,
                data=data,
                timeout=(min(CONNECT_TIMEOUT_S, left_s), under_way.silence_s),
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
            session = _Session()
            setattr(self._local, kind, session)
            # A .netrc or a proxy of this machine must not replace a key or carry it elsewhere.
            session.trust_env = False
            session.mount("http://", Adapter(pool_maxsize=4))
            session.mount("https://", Adapter(pool_maxsize=4))
        return session


class _Session(requests.Session):
    """Leaves redirects alone: requests would read the body of each, which may have no end."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """None; called by requests even where none are to be followed."""
        return iter(())


def _answer(
    session: requests.Session, method: str, url: str, most_redirects: int, **options: Any
) -> requests.Response:
    """The answer at the end of the redirects; raises NoWebAddressError, and what requests does."""
    options |= {"stream": True, "allow_redirects": False}
    if not most_redirects:
        return session.request(method, url, **options)
    try:
        for _ in range(most_redirects + 1):
            response = session.request(method, url, **options)
            target = session.get_redirect_target(response)
            if not target:
                return response
            response.close()
            url = urljoin(url, target)
    except ValueError:  # of another scheme, or broken in one of the many ways that there are
        raise NoWebAddressError("the URL leads to no web address") from None
    raise NoWebAddressError(f"more than {most_redirects} redirects")


def _describe(error: BaseException) -> str:
    """The innermost cause, by its kind: URLs and headers stay out of logs."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
