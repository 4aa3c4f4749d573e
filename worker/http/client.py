"""HTTP with a total deadline, and errors that say whether anything was sent."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
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
from .http1 import BrokenAnswerError, Incoming, request_bytes

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {"User-Agent": "imagequeue", "Accept": "*/*", "Accept-Encoding": "gzip"}
GZIP = frozenset({"gzip", "x-gzip", "deflate"})
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
# What may go wrong on the way; a ValueError is a URL, a header or a body that is none.
TROUBLE = (OSError, BrokenAnswerError, ValueError, zlib.error)


class NotSentError(Exception):
    """Nothing of the request left this machine: it cannot have been paid."""


class NoResponseError(Exception):
    """The request went out and no whole answer came back: what it did is not known."""


class InvalidUrlError(Exception):
    """The URL, or one that it leads to, is none that can be asked; or it leads on for ever."""


class Response:
    """An answer: its head, and a body that is still to be read."""

    def __init__(
        self,
        incoming: Incoming,
        start: bytes,
        connection: Connection,
        exchange: Exchange,
        idle: Idle | None,
    ) -> None:
        self._incoming = incoming
        self._start = start
        """What of the body came with the head."""
        self._connection = connection
        self._exchange = exchange
        self._idle = idle
        self.status = incoming.status
        self.headers = incoming.headers
        """By their names in lower case."""

    def read(self, most_bytes: int) -> bytes:
        """The body, decoded, as far as it reaches within so many bytes."""
        body = bytearray()
        for piece in self.iter_bytes():
            body += piece
            if len(body) >= most_bytes:
                break
        return bytes(body[:most_bytes])

    def iter_bytes(self) -> Iterator[bytes | memoryview]:
        """The body, decoded: whatever is there, as it comes. A piece is overwritten by the next.

        Raises NoResponseError where it breaks off.
        """
        pieces = self._unmeasured() if self._incoming.left is None else self._measured()
        if self.headers.get("content-encoding", "").lower() in GZIP:
            pieces = _decoded(pieces)
        try:
            yield from pieces
        except TROUBLE as error:
            _give_up(self._exchange, error)

    def close(self) -> None:
        """Keep the connection for the next exchange, if nothing of this one is left on it."""
        incoming = self._incoming
        if self._idle and incoming.keeps_connection and (incoming.is_over or incoming.left == 0):
            self._idle.keep(self._connection)
        else:
            self._connection.close()

    def _measured(self) -> Iterator[bytes | memoryview]:
        """A body whose length is known, without a new object for each piece."""
        if self._start:
            yield self._start
        while left := self._incoming.left:
            count = self._connection.receive(own.room[:left])
            if not count:
                raise BrokenAnswerError("the answer breaks off")
            self._incoming.left = left - count
            yield own.room[:count]

    def _unmeasured(self) -> Iterator[bytes]:
        """A body in chunks, or to the end of the connection."""
        if self._start:
            yield self._start
        while not self._incoming.is_over:
            count = self._connection.receive(own.room)
            if piece := self._incoming.feed(own.room[:count]):
                yield piece


def _decoded(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """A body without its encoding, in pieces of a bounded size however far it was compressed."""
    decoder = zlib.decompressobj(GZIP_OR_ZLIB)
    for piece in pieces:
        rest = bytes(piece)
        while rest:
            yield decoder.decompress(rest, connections.CHUNK_BYTES)
            rest = decoder.unconsumed_tail
        if decoder.eof:
            return
    yield decoder.flush()
    if not decoder.eof:
        raise BrokenAnswerError("the encoded answer breaks off")


class Http:
    """HTTP for workers; `trusted` hosts (`host:port`) may lie on private addresses.

    No .netrc or proxy of this machine is looked at: it could replace a key, or carry it elsewhere.
    """

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = frozenset(trusted)
        # A connection made unguarded is never used block_private_addresses.
        self._guarded, self._unguarded = Idle(), Idle()

    @contextmanager
    def request(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        block_private_addresses: bool = False,
        follow_redirects: bool = True,
        reuse_connection: bool = True,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: bytes | None = None,
    ) -> Iterator[Response]:
        """One request and its answer, to be read before `deadline` on the monotonic clock.

        A guarded exchange raises PrivateAddressError at a step that leaves the public internet. It
        follows redirects, unless told not to, and raises InvalidUrlError at one that is no step.
        A fresh one has a connection of its own: an idle one may be dead without a sign. Raises
        NotSentError or NoResponseError otherwise, also while the body is read inside the `with`.
        """
        exchange = Exchange(deadline, self._trusted if block_private_addresses else None)
        idle = (
            None
            if not reuse_connection
            else self._guarded
            if block_private_addresses
            else self._unguarded
        )
        # Their names are told apart by nothing but their letters.
        heads = HEADERS | {name.title(): value for name, value in (headers or {}).items()}
        if params:
            url = f"{url}?{urlencode(params)}"
        if not reuse_connection:
            heads["Connection"] = "close"
        try:
            if json is not None:
                data = dumps(json, allow_nan=False).encode()
                heads["Content-Type"] = "application/json"
            if block_private_addresses and follow_redirects:
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
    """The answer at the end of the redirects; raises InvalidUrlError, and what `_asked` does."""
    try:
        for _ in range(MAX_REDIRECTS + 1):
            response = _asked(method, url, headers, data, exchange, idle)
            location = response.headers.get("location") if response.status in REDIRECTS else None
            if not location:
                return response
            response.close()
            # Servers send UTF-8 where ASCII is asked for.
            url = urljoin(url, location.encode("latin-1").decode())
    except OSError:  # a bad certificate is a ValueError as well
        raise
    except ValueError:  # of another scheme, or broken in one of the many ways that there are
        raise InvalidUrlError("the URL leads to no web address") from None
    raise InvalidUrlError(f"more than {MAX_REDIRECTS} redirects")


def _asked(
    method: str,
    url: str,
    headers: Mapping[str, str],
    data: bytes | None,
    exchange: Exchange,
    idle: Idle | None,
) -> Response:
    """The answer to one request; raises one of TROUBLE, ValueError for a URL that is none."""
    server, target, auth = _taken_apart(url)
    if auth and "Authorization" not in headers:
        headers = {**headers, **make_headers(basic_auth=unquote(auth))}
    connection = (idle and idle.take(server)) or connection_to(server)
    try:
        connection.begin(exchange)
        # Never again by itself, nor elsewhere: a request may cost money.
        connection.send(request_bytes(method, target, connection.host, headers, data))
        incoming, start = Incoming(), b""
        while not incoming.status:
            count = connection.receive(own.room[: connections.HEAD_BYTES])
            start = incoming.feed(own.room[:count])
        return Response(incoming, start, connection, exchange, idle)
    except BaseException:
        connection.close()
        raise


# A provider's addresses come again and again.
@functools.lru_cache(maxsize=64)
def _taken_apart(url: str) -> tuple[Server, str, str | None]:
    """Where a URL leads, what is asked for there, and `user:password` if it names one."""
    parts = parse_url(url)
    if parts.scheme not in ("http", "https") or not parts.host or parts.host[0] == ".":
        raise ValueError("no web address")
    return Server(parts.scheme, parts.host, parts.port), parts.request_uri, parts.auth


def _give_up(exchange: Exchange, error: Exception) -> NoReturn:
    """Raise what has become of the exchange."""
    if isinstance(error, PrivateAddressError):
        raise error
    kind = NoResponseError if exchange.sent else NotSentError
    raise kind(_describe(error)) from None


def _describe(error: Exception) -> str:
    """What went wrong, by its kind: URLs and headers stay out of logs."""
    if isinstance(error, BrokenAnswerError):
        return str(error)
    return getattr(error, "strerror", None) or type(error).__name__
