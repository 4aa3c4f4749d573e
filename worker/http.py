"""HTTP with a total deadline, and errors that say whether anything was sent."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, IncompleteRead
from json import dumps
from typing import NoReturn
from urllib.parse import unquote, urlencode, urljoin

from urllib3.util import make_headers, parse_url

from . import connections
from .connections import (
    Connection,
    Exchange,
    Idle,
    PrivateAddressError,
    Server,
    connection_to,
    own,
)

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {"User-Agent": "imagequeue", "Accept": "*/*", "Accept-Encoding": "gzip"}
GZIP = frozenset({"gzip", "x-gzip", "deflate"})
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
# What may go wrong on the way; a ValueError is a URL, a header or a body that is none.
TROUBLE = (OSError, HTTPException, ValueError, zlib.error)


class NotSentError(Exception):
    """Nothing of the request left this machine: it cannot have been paid."""


class NoAnswerError(Exception):
    """The request went out and no whole answer came back: what it did is not known."""


class NoWebAddressError(Exception):
    """The URL, or one that it leads to, is none that can be asked; or it leads on for ever."""


class Response:
    """An answer: its head, and a body that is still to be read."""

    def __init__(
        self, answer: HTTPResponse, connection: Connection, exchange: Exchange, idle: Idle | None
    ) -> None:
        self._answer = answer
        self._connection = connection
        self._exchange = exchange
        self._idle = idle
        self.status = answer.status
        self.headers = answer.headers

    def read(self, most_bytes: int) -> bytes:
        """The body, decoded, as far as it reaches within so many bytes."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) >= most_bytes:
                break
        return bytes(body[:most_bytes])

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The body, decoded: whatever is there, as it comes. A piece is overwritten by the next.

        Raises NoAnswerError where it breaks off.
        """
        pieces = _measured(self._answer) if self._answer.length else _unmeasured(self._answer)
        if self.headers.get("Content-Encoding", "").lower() in GZIP:
            pieces = _decoded(pieces)
        try:
            yield from pieces
        except TROUBLE as error:
            _give_up(self._exchange, error)

    def close(self) -> None:
        """Keep the connection for the next exchange, if nothing of this one is left on it."""
        answer = self._answer
        is_over = answer.isclosed() or answer.length == 0
        answer.close()
        if self._idle and is_over and not answer.will_close:
            self._idle.keep(self._connection)
        else:
            self._connection.close()


def _measured(answer: HTTPResponse) -> Iterator[bytes | memoryview]:
    """A body whose length is known, without a new object for each piece."""
    # What came with the head, before more is waited for.
    yield answer.read1(connections.HEAD_BYTES)
    while answer.length:
        count = answer.readinto(own.room)
        if not count:
            raise IncompleteRead(b"", answer.length)
        yield own.room[:count]


def _unmeasured(answer: HTTPResponse) -> Iterator[bytes]:
    """A body in chunks, or to the end of the connection."""
    while piece := answer.read1(connections.CHUNK_BYTES):
        yield piece


def _decoded(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """A body without its encoding, in pieces of a bounded size however far it was compressed."""
    decoder = zlib.decompressobj(GZIP_OR_ZLIB)
    for piece in pieces:
        rest = bytes(piece)
        while rest:
            yield decoder.decompress(rest, connections.CHUNK_BYTES)
            rest = decoder.unconsumed_tail
    yield decoder.flush()
    if not decoder.eof:
        raise IncompleteRead(b"")


class Http:
    """HTTP for workers; `trusted` hosts (`host:port`) may lie on private addresses.

    No .netrc or proxy of this machine is looked at: it could replace a key, or carry it elsewhere.
    """

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = frozenset(trusted)
        # A connection made unguarded is never used guarded.
        self._guarded, self._unguarded = Idle(), Idle()

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
        exchange = Exchange(deadline, self._trusted if guarded else None)
        idle = None if fresh else self._guarded if guarded else self._unguarded
        # Their names are told apart by nothing but their letters.
        heads = HEADERS | {name.title(): value for name, value in (headers or {}).items()}
        if params:
            url = f"{url}?{urlencode(params)}"
        if fresh:
            heads["Connection"] = "close"
        try:
            if json is not None:
                data = dumps(json, allow_nan=False).encode()
                heads["Content-Type"] = "application/json"
            if guarded and follow:
                response = _followed(method, url, heads, data, exchange, idle)
            else:
                response = _asked(method, url, heads, data, exchange, idle)
        except TROUBLE as error:
            _give_up(exchange, error)
        try:
            yield response
        finally:
            response.close()


def _followed(
    method: str,
    url: str,
    headers: Mapping[str, str],
    data: bytes | None,
    exchange: Exchange,
    idle: Idle | None,
) -> Response:
    """The answer at the end of the redirects; raises NoWebAddressError, and what `_asked` does."""
    try:
        for _ in range(MOST_REDIRECTS + 1):
            response = _asked(method, url, headers, data, exchange, idle)
            location = response.headers.get("Location") if response.status in REDIRECTS else None
            if not location:
                return response
            response.close()
            # Servers send UTF-8 where ASCII is asked for.
            url = urljoin(url, location.encode("latin-1").decode())
    except OSError:  # a bad certificate is a ValueError as well
        raise
    except ValueError:  # of another scheme, or broken in one of the many ways that there are
        raise NoWebAddressError("the URL leads to no web address") from None
    raise NoWebAddressError(f"more than {MOST_REDIRECTS} redirects")


def _asked(
    method: str,
    url: str,
    headers: Mapping[str, str],
    data: bytes | None,
    exchange: Exchange,
    idle: Idle | None,
) -> Response:
    """The answer to one request; raises one of TROUBLE, ValueError for a URL that is none."""
    parts = parse_url(url)
    if parts.scheme not in ("http", "https") or not parts.host or parts.host[0] == ".":
        raise ValueError("no web address")
    if parts.auth and "Authorization" not in headers:
        headers = {**headers, **make_headers(basic_auth=unquote(parts.auth))}
    server = Server(parts.scheme, parts.host, parts.port)
    connection = (idle and idle.take(server)) or connection_to(server)
    try:
        connection.begin(exchange)
        connection.request(method, parts.request_uri, data, headers)
        # Never again by itself, nor elsewhere: a request may cost money.
        return Response(connection.getresponse(), connection, exchange, idle)
    except BaseException:
        connection.close()
        raise


def _give_up(exchange: Exchange, error: Exception) -> NoReturn:
    """Raise what has become of the exchange."""
    if isinstance(error, PrivateAddressError):
        raise error
    kind = NoAnswerError if exchange.sent else NotSentError
    raise kind(_describe(error)) from None


def _describe(error: Exception) -> str:
    """What went wrong, by its kind: URLs and headers stay out of logs."""
    return getattr(error, "strerror", None) or type(error).__name__
