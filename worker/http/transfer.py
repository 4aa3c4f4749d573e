"""One libcurl exchange: what may leave, what is delivered, and what its failure means."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import pycurl

from .address_guard import AddressGuard
from .decoder import Decoder
from .errors import NoResponseError, NotSentError
from .message import Request, Response, Write

# Also the size of trailers and of interim responses.
MAX_HEAD_BYTES = 64 * 1024
# libcurl delivers 16 KB at a time; hashing and writing cost less in larger pieces.
CHUNK_BYTES = 256 * 1024
# A slow body still reaches its receiver, which keeps a lease alive.
GATHER_S = 1.0
ABORT = -1  # ends an exchange as the result of any callback
SYSTEM_ERRORS = (pycurl.E_COULDNT_CONNECT, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR)
MESSAGES = {
    pycurl.E_PEER_FAILED_VERIFICATION: "the server's TLS certificate is not trusted",
    pycurl.E_UNSUPPORTED_PROTOCOL: "the response is not HTTP",
    pycurl.E_PARTIAL_FILE: "the response is incomplete",
}


class _EnoughError(Exception):
    """The rest of the response is not wanted."""


class Transfer:
    """One exchange; `guard` checks each address that is connected to, None allows all."""

    def __init__(self, request: Request, guard: AddressGuard | None) -> None:
        self._request, self._guard = request, guard
        self._sockets = ExitStack()
        self._sent = False
        self._failure: BaseException | None = None  # that a callback raised
        self._head: list[bytes] = []
        self._head_bytes = 0
        self._response: Response | None = None  # once its head is complete, without its body
        self._decoder = Decoder("")
        self._write: Write | None = None
        self._body = bytearray()  # what `_write` has not got yet; all of it without one
        self._flushed_at = 0.0

    def run(self, handle: pycurl.Curl, options: Mapping[int, object]) -> Response:
        """Run the exchange with these options over a handle, and return the response.

        Raises NotSentError or NoResponseError, and unchanged what the receiver raises.
        """
        failure: BaseException | None = None
        with self._sockets:
            try:
                for option, value in {**options, **self._build_options()}.items():
                    handle.setopt(option, value)
                handle.perform()
            except pycurl.error as error:
                failure = self._explain(handle, int(error.args[0]))
            finally:
                handle.reset()
        # The traceback of what a callback raised refers to this object.
        raised, self._failure = self._failure, None
        if not raised:
            # Also before an error: a download resumes after what it received.
            self._flush()
        return self._finish(raised or failure)

    def _build_options(self) -> dict[int, object]:
        left_s = self._request.deadline - time.monotonic()
        options: dict[int, object] = {
            pycurl.TIMEOUT_MS: max(int(left_s * 1000), 1),
            pycurl.PREREQFUNCTION: self._guarded(self._before_send),
            pycurl.HEADERFUNCTION: self._guarded(self._take_header),
            pycurl.WRITEFUNCTION: self._guarded(self._take_body),
        }
        if self._guard:
            options[pycurl.OPENSOCKETFUNCTION] = self._guarded(self._open_socket)
        return options

    def _guarded(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Let an exception end the exchange: libcurl would print it and know only an error code."""

        def call(*args: Any) -> Any:
            if self._failure:
                return ABORT
            try:
                return callback(*args)
            except BaseException as error:
                self._failure = error
                return ABORT

        return call

    def _open_socket(self, _: int, address: Any) -> socket.socket | int:
        """Check each address that a name was resolved to, at the moment of connecting to it."""
        family, kind, protocol, sockaddr = address
        if self._guard:
            self._guard.require_allowed(sockaddr[0])
        try:
            # To be closed here: libcurl uses a duplicate.
            return self._sockets.enter_context(socket.socket(family, kind, protocol))
        except OSError:  # this machine has no IPv6: libcurl tries the next address
            return pycurl.SOCKET_BAD

    def _before_send(self, address: str, *_: object) -> int:
        """Check a connection, which may be a kept one, between its handshake and the first byte."""
        if self._sent and not self._request.reuse_connection:
            # libcurl repeats a request whose connection died; this one may cost money.
            raise NoResponseError("the connection was closed without a response")
        if time.monotonic() >= self._request.deadline:
            # A worker that was frozen until its deadline must not start to pay now.
            raise NotSentError("Timeout was reached")
        if self._guard:
            self._guard.require_allowed(address)
        self._sent = True
        return pycurl.PREREQFUNC_OK

    def _take_header(self, line: bytes) -> None:
        if not self._sent:
            return  # of a proxy, which opens a tunnel
        self._head_bytes += len(line)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise NoResponseError("the response headers are too long")
        if self._response:
            return  # a trailer
        if line.strip():
            self._head.append(line)
            return
        response = _parse_head(*self._head)
        self._head.clear()
        # An interim response is followed by the real one; 101 by none.
        if response.status >= 200:
            self._start_body(response)

    def _start_body(self, response: Response) -> None:
        self._response = response
        self._decoder = Decoder(response.headers.get("content-encoding", ""))
        if self._request.find_redirect(response):
            raise _EnoughError
        if self._request.receiver:
            self._write = self._request.receiver(response)
            self._flushed_at = time.monotonic()
        elif not self._request.max_bytes:
            raise _EnoughError

    def _take_body(self, encoded: bytes) -> None:
        for piece in self._decoder.decode(encoded):
            self._body += piece
            if not self._write:
                if len(self._body) >= self._request.max_bytes:
                    raise _EnoughError
            elif len(self._body) >= CHUNK_BYTES or time.monotonic() - self._flushed_at > GATHER_S:
                self._flush()

    def _flush(self) -> None:
        if self._write and self._body:
            self._write(bytes(self._body))
            self._body.clear()
            self._flushed_at = time.monotonic()

    def _explain(self, handle: pycurl.Curl, code: int) -> Exception:
        """Return what an error of libcurl means, never in its own words: they may hold the URL."""
        number = handle.getinfo(pycurl.OS_ERRNO) if code in SYSTEM_ERRORS else 0
        message = os.strerror(number) if number else MESSAGES.get(code, pycurl.easy_strerror(code))
        if self._sent:
            return NoResponseError(message)
        status = handle.getinfo(pycurl.HTTP_CONNECTCODE)
        return NotSentError(f"the proxy answered HTTP {status}" if status >= 300 else message)

    def _finish(self, failure: BaseException | None) -> Response:
        """Return the response, unless it failed before all that is wanted of it had come."""
        body = b"" if self._write else bytes(self._body[: self._request.max_bytes])
        if not failure and not self._decoder.is_complete():
            failure = NoResponseError("the response is incomplete")
        # What was paid for may have come whole, and only what follows it is broken.
        is_whole = isinstance(failure, NoResponseError) and _is_whole_json(body)
        if self._response and (not failure or is_whole or isinstance(failure, _EnoughError)):
            return self._response._replace(body=body)
        # For libcurl, a response that is cut off may be a success.
        raise failure or NoResponseError("the response is incomplete")


def _parse_head(first: bytes, *lines: bytes) -> Response:
    """Return a response without its body; libcurl has checked the form of each line."""
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    return Response(int(first.split()[1][:3]), headers)


def _is_whole_json(body: bytes) -> bool:
    """Return whether a body is a JSON object or list: no part of one is another."""
    try:
        return isinstance(json.loads(body), dict | list)
    except (ValueError, RecursionError):
        return False
