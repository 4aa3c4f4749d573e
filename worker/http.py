"""HTTP with a total deadline, and errors that say whether anything was sent."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from json import dumps
from typing import NoReturn
from urllib.parse import unquote, urlencode, urljoin

from urllib3 import BaseHTTPResponse, HTTPHeaderDict, Timeout
from urllib3.exceptions import HTTPError, IncompleteRead, LocationValueError, ProtocolError
from urllib3.util import make_headers, parse_url

from . import connections
from .connections import Connections, PrivateAddressError
from .connections import exchange as under_way

CONNECT_TIMEOUT_S = 5.0
MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {"User-Agent": "imagequeue", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}


class NotSentError(Exception):
    """Nothing of the request left this machine: it cannot have been paid."""


class NoAnswerError(Exception):
    """The request went out and no whole answer came back: what it did is not known."""


class NoWebAddressError(Exception):
    """The URL, or one that it leads to, is none that can be asked; or it leads on for ever."""


class Response:
    """An answer: its head, and a body that is still to be read."""

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer
        self._plain = under_way.response
        """Below urllib3, which would make a new object of every piece."""
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers

    def read(self, most_bytes: int) -> bytes:
        """The body, decoded, as far as it reaches within so many bytes."""
        return self._answer.read(most_bytes, decode_content=True)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The body, decoded: whatever is there, as it comes. A piece is overwritten by the next."""
        plain = self._plain
        if plain.length is None or "Content-Encoding" in self.headers:
            while piece := self._answer.read1(connections.CHUNK_BYTES, decode_content=True):
                yield piece
            return
        try:
            # What came with the head, before more is waited for.
            yield plain.read1(connections.HEAD_BYTES)
            while plain.length:
                count = plain.readinto(under_way.room)
                if not count:
                    raise IncompleteRead(0, plain.length)
                yield under_way.room[:count]
        except OSError as error:
            raise ProtocolError("the connection broke") from error
        plain.close()

    def close(self) -> None:
        """Keep the connection for the next exchange, if nothing of this one is left on it."""
        if not self._plain.isclosed():
            self._answer.close()
        self._answer.release_conn()


class Http:
    """HTTP for workers; `trusted` hosts (`host:port`) may lie on private addresses."""

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = frozenset(trusted)
        # A connection made unguarded is never used guarded.
        self._guarded, self._kept = Connections(), Connections()
        self._fresh = Connections(kept=False)

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
    ) -> Iterator[Response]:
        """One request and its answer, to be read before `deadline` on the monotonic clock.

        A guarded exchange raises PrivateAddressError at a step that leaves the public internet. It
        follows redirects, unless told not to, and raises NoWebAddressError at one that is no step.
        A fresh one has a connection of its own: an idle one may be dead without a sign. Raises
        NotSentError or NoAnswerError otherwise, also while the body is read inside the `with`.
        """
        left_s = max(0.001, deadline - time.monotonic())
        silence_s = min(connections.READ_TIMEOUT_S, left_s) if guarded else left_s
        under_way.begin(deadline, silence_s, self._trusted if guarded else None)
        if params:
            url = f"{url}?{urlencode(params)}"
        heads = HTTPHeaderDict(HEADERS)
        heads.update(headers or {})
        if json is not None:
            data = dumps(json, allow_nan=False).encode()
            heads["Content-Type"] = "application/json"
        if fresh:
            heads["Connection"] = "close"
        among = self._fresh if fresh else self._guarded if guarded else self._kept
        timeout = Timeout(connect=min(CONNECT_TIMEOUT_S, left_s), read=silence_s)
        try:
            if guarded and follow:
                response = _followed(among, method, url, heads, data, timeout)
            else:
                response = _asked(among, method, url, heads, data, timeout)
        except (HTTPError, OSError, ValueError) as error:
            _give_up(error)
        try:
            yield response
        except (HTTPError, TimeoutError) as error:
            _give_up(error)
        finally:
            response.close()


def _followed(
    among: Connections,
    method: str,
    url: str,
    headers: HTTPHeaderDict,
    data: bytes | None,
    timeout: Timeout,
) -> Response:
    """The answer at the end of the redirects; raises NoWebAddressError, and what `_asked` does."""
    try:
        for _ in range(MOST_REDIRECTS + 1):
            response = _asked(among, method, url, headers, data, timeout)
            if not (target := _target(response)):
                return response
            response.close()
            url = urljoin(url, target)
    except ValueError:  # of another scheme, or broken in one of the many ways that there are
        raise NoWebAddressError("the URL leads to no web address") from None
    raise NoWebAddressError(f"more than {MOST_REDIRECTS} redirects")


def _target(response: Response) -> str:
    """Where a redirect leads; servers send UTF-8 where ASCII is asked for. Raises ValueError."""
    location = response.headers.get("Location", "") if response.status in REDIRECTS else ""
    return location.encode("latin-1").decode()


def _asked(
    among: Connections,
    method: str,
    url: str,
    headers: HTTPHeaderDict,
    data: bytes | None,
    timeout: Timeout,
) -> Response:
    """The answer to one request; raises what urllib3 does, also for a URL that is none."""
    parts = parse_url(url)
    if parts.scheme not in ("http", "https") or not parts.host or parts.host[0] == ".":
        raise LocationValueError("no web address")
    if parts.auth and "Authorization" not in headers:
        headers = headers | make_headers(basic_auth=unquote(parts.auth))
    # Never again by itself, nor elsewhere: a request may cost money.
    answer = among.connection_from_host(parts.host, parts.port, parts.scheme).urlopen(
        method,
        parts.request_uri,
        body=data,
        headers=headers,
        timeout=timeout,
        retries=False,
        redirect=False,
        assert_same_host=False,
        preload_content=False,
    )
    return Response(answer)


def _give_up(error: Exception) -> NoReturn:
    """Raise what has become of the exchange."""
    if under_way.refused:
        raise PrivateAddressError(f"{under_way.refused} is a private address") from None
    kind = NoAnswerError if under_way.sent else NotSentError
    raise kind(_describe(error)) from None


def _describe(error: BaseException) -> str:
    """The innermost cause, by its kind: URLs and headers stay out of logs."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
