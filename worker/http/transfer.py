"""One libcurl exchange: what it may do, what it delivers, and what its failure means."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import pycurl

from .decoder import Decoder
from .errors import NoResponseError, NotSentError
from .message import Request, Response, Write, format_headers, is_whole_json, parse_status

CONNECT_TIMEOUT_S = 10.0
# A streamed body that is slower for this long is given up; a provider may be silent until the
# deadline. libcurl takes whole seconds.
MIN_BYTES_PER_S = 1024
MAX_SILENCE_S = 15
# Also the size of trailers and of interim responses.
MAX_HEAD_BYTES = 64 * 1024
# libcurl delivers 16 KB at a time; hashing and writing cost less in larger pieces.
CHUNK_BYTES = 256 * 1024
# A slow body still reaches its receiver, which keeps a lease alive.
GATHER_S = 1.0
MAX_KEPT_CONNECTIONS = 4
SYSTEM_ERRORS = (pycurl.E_COULDNT_CONNECT, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR)
MESSAGES = {
    pycurl.E_PEER_FAILED_VERIFICATION: "the server's TLS certificate is not trusted",
    pycurl.E_UNSUPPORTED_PROTOCOL: "the response is not HTTP",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "the response is not HTTP",
    pycurl.E_PARTIAL_FILE: "the response is incomplete",
}


class _EnoughError(Exception):
    """The rest of the response is not wanted."""


class Transfer:
    """One exchange over a handle, which serves the next one afterwards."""

    def __init__(
        self, handle: pycurl.Curl, request: Request, options: Mapping[int, object]
    ) -> None:
        self._handle = handle
        self._request = request
        self._options = options
        self._sent = False
        self._failure: BaseException | None = None
        self._sockets: list[socket.socket] = []
        self._status = 0
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._has_head = False
        self._decoder = Decoder("")
        self._write: Write | None = None
        self._gathered = bytearray()
        self._flushed_at = 0.0

    def run(self) -> Response:
        """Send the request and return its response.

        Raises NotSentError or NoResponseError, and unchanged what the receiver raises.
        """
        code = pycurl.E_OK
        try:
            self._configure()
            self._handle.perform()
        except pycurl.error as error:
            code = error.args[0] if isinstance(error.args[0], int) else pycurl.E_FAILED_INIT
        except ValueError as error:  # a header that cannot be sent; its text may be secret
            raise NotSentError(type(error).__name__) from None
        try:
            return self._finish(code)
        finally:
            self._failure = None  # its traceback refers to this object
            self._handle.reset()
            for opened in self._sockets:
                opened.close()  # libcurl uses a duplicate

    def _finish(self, code: int) -> Response:
        failure = self._failure
        if not failure:
            # Also before an error: a download resumes after what it received.
            self._flush()
            failure = self._find_failure(code)
        body = b"" if self._write else bytes(self._gathered[: self._request.max_bytes])
        if isinstance(failure, NoResponseError) and self._has_head and is_whole_json(body):
            failure = None  # what was paid for has come; only what follows it is broken
        if failure and not isinstance(failure, _EnoughError):
            raise failure
        return Response(self._status, self._headers, body)

    def _find_failure(self, code: int) -> Exception | None:
        if code:
            return (NoResponseError if self._sent else NotSentError)(self._describe(code))
        # For libcurl, headers that are cut off are a success.
        if not (self._has_head and self._decoder.is_complete()):
            return NoResponseError("the response is incomplete")
        return None

    def _describe(self, code: int) -> str:
        # Never libcurl's own sentence: it may hold the URL.
        proxy_status = self._handle.getinfo(pycurl.HTTP_CONNECTCODE)
        if proxy_status >= 300 and not self._sent:
            return f"the proxy answered HTTP {proxy_status}"
        number = self._handle.getinfo(pycurl.OS_ERRNO) if code in SYSTEM_ERRORS else 0
        return os.strerror(number) if number else MESSAGES.get(code, pycurl.easy_strerror(code))

    def _configure(self) -> None:
        request = self._request
        left_ms = int((request.deadline - time.monotonic()) * 1000)
        if left_ms <= 0:
            raise pycurl.error(pycurl.E_OPERATION_TIMEDOUT, "")
        options: dict[int, Any] = {
            **self._options,
            pycurl.CURLU: request.url,
            pycurl.HTTPHEADER: format_headers(request.headers),
            # Signals would interrupt other threads.
            pycurl.NOSIGNAL: 1,
            pycurl.TIMEOUT_MS: left_ms,
            pycurl.CONNECTTIMEOUT_MS: min(
                left_ms, int((request.connect_timeout_s or CONNECT_TIMEOUT_S) * 1000)
            ),
            pycurl.MAXCONNECTS: MAX_KEPT_CONNECTIONS,
            pycurl.BUFFERSIZE: CHUNK_BYTES,
            pycurl.PREREQFUNCTION: self._guarded(self._before_send, pycurl.PREREQFUNC_ABORT),
            pycurl.HEADERFUNCTION: self._guarded(self._take_header, -1),
            pycurl.WRITEFUNCTION: self._guarded(self._take_body, -1),
        }
        if request.method == "POST":
            options |= {pycurl.POST: 1, pycurl.POSTFIELDS: request.body or b""}
        elif request.method != "GET":
            raise ValueError(f"{request.method} is not supported")
        if not request.reuse_connection:
            options |= {pycurl.FRESH_CONNECT: 1, pycurl.FORBID_REUSE: 1}
        if request.receiver:
            options |= {
                pycurl.LOW_SPEED_LIMIT: MIN_BYTES_PER_S,
                pycurl.LOW_SPEED_TIME: MAX_SILENCE_S,
            }
        if request.guard:
            options[pycurl.OPENSOCKETFUNCTION] = self._guarded(self._open_socket, pycurl.SOCKET_BAD)
        for option, value in options.items():
            self._handle.setopt(option, value)

    def _guarded(self, callback: Callable[..., Any], abort: int) -> Callable[..., Any]:
        """Let an exception end the exchange: libcurl would print it and know only an error code."""

        def call(*args: Any) -> Any:
            if self._failure:
                return abort
            try:
                return callback(*args)
            except BaseException as error:
                self._failure = error
                return abort

        return call

    def _open_socket(self, _: int, address: Any) -> socket.socket | int:
        """Check each address that a name was resolved to, at the moment of connecting to it."""
        family, kind, protocol, sockaddr = address
        if self._request.guard:
            self._request.guard.require_allowed(sockaddr[0])
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError:  # this machine has no IPv6: libcurl tries the next address
            return pycurl.SOCKET_BAD
        self._sockets.append(opened)
        return opened

    def _before_send(self, address: str, *_: object) -> int:
        """Check a connection, which may be a kept one, between its handshake and the first byte."""
        request = self._request
        if self._sent and not request.reuse_connection:
            # libcurl repeats a request whose connection died; this one may cost money.
            raise NoResponseError("the connection was closed without a response")
        if time.monotonic() >= request.deadline:
            # A worker that was frozen until its deadline must not start to pay now.
            raise NotSentError("Timeout was reached")
        if request.guard:
            request.guard.require_allowed(address)
        self._sent = True
        return pycurl.PREREQFUNC_OK

    def _take_header(self, line: bytes) -> None:
        if not self._sent:
            return  # of a proxy, which opens a tunnel
        self._head_bytes += len(line)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise NoResponseError("the response headers are too long")
        if self._has_head:
            return  # a trailer
        if not self._status:
            self._status = parse_status(line)
        elif line.strip():
            name, _, value = line.decode("latin-1").partition(":")
            self._headers.setdefault(name.strip().lower(), value.strip())
        elif self._status >= 200:
            self._has_head = True
            self._start_body()
        else:
            # An interim response; or 101, which no response follows.
            self._status = 0
            self._headers.clear()

    def _start_body(self) -> None:
        request, response = self._request, Response(self._status, self._headers)
        self._decoder = Decoder(self._headers.get("content-encoding", ""))
        if request.follow_redirects and response.redirect:
            raise _EnoughError
        if request.receiver:
            self._write = request.receiver(response)
            self._flushed_at = time.monotonic()
        elif not request.max_bytes:
            raise _EnoughError

    def _take_body(self, encoded: bytes) -> None:
        for piece in self._decoder.decode(encoded):
            self._gathered += piece
            is_late = time.monotonic() - self._flushed_at > GATHER_S
            if self._write and (is_late or len(self._gathered) >= CHUNK_BYTES):
                self._flush()
            elif not self._write and len(self._gathered) >= self._request.max_bytes:
                raise _EnoughError

    def _flush(self) -> None:
        if self._write and self._gathered:
            self._write(bytes(self._gathered))
            self._gathered.clear()
            self._flushed_at = time.monotonic()
