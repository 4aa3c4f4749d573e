"""The HTTP client of the workers: libcurl with guarded redirects, and idle handles for reuse."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from json import dumps
from urllib.parse import urlencode

import certifi
import pycurl

from .address_guard import AddressGuard
from .errors import InvalidUrlError, NotSentError
from .message import Request, Response
from .transfer import CHUNK_BYTES, Transfer
from .url import get_origin, parse_url

CONNECT_TIMEOUT_S = 10.0
MAX_REDIRECTS = 5
# A streamed body that is slower for this long is given up; a provider may be silent until the
# deadline. libcurl takes whole seconds.
MIN_BYTES_PER_S = 1024
MAX_SILENCE_S = 15
# Last in, first out: what was used last is the most likely to be still connected.
# Appending and popping are atomic; what is too many closes.
_idle: deque[pycurl.Curl] = deque(maxlen=64)
# Two processes on one connection would read each other's responses.
os.register_at_fork(before=_idle.clear)


class HttpClient:
    """HTTP for any number of threads.

    `guard` says which private addresses are allowed. `proxy` is an http:// or https:// URL;
    a proxy resolves names itself, so behind one only literal private addresses are blocked.
    `ca_file` replaces the public certificate authorities. No .netrc and no proxy of the environment
    is used: either could replace a key or carry it elsewhere.
    """

    def __init__(
        self,
        guard: AddressGuard | None = None,
        proxy: str = "",
        ca_file: str = "",
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._guard = guard or AddressGuard()
        self._has_proxy = bool(proxy)
        authorities = ca_file or certifi.where()
        self._options: dict[int, object] = {
            # An empty text keeps libcurl from reading the environment.
            pycurl.PROXY: proxy,
            pycurl.NOPROXY: "",
            pycurl.CAINFO: authorities,
            pycurl.PROXY_CAINFO: authorities,
            pycurl.CONNECTTIMEOUT_MS: int(connect_timeout_s * 1000),
            pycurl.BUFFERSIZE: CHUNK_BYTES,
            # Signals would interrupt other threads.
            pycurl.NOSIGNAL: 1,
        }

    def send(self, request: Request) -> Response:
        """Send a request and return its response.

        Raises NotSentError, NoResponseError, and unchanged what the receiver raises.
        """
        url = parse_url(request.url + (f"?{urlencode(request.params)}" if request.params else ""))
        headers = _build_headers(request)
        options = self._options | _build_options(request)
        for _ in range(MAX_REDIRECTS + 1):
            is_guarded = request.block_private_addresses and self._guard.must_check(url)
            guard = self._guard if is_guarded and not self._has_proxy else None
            options |= {pycurl.CURLU: url, pycurl.HTTPHEADER: _format_headers(headers)}
            response = _transfer(request, options, guard)
            redirect = request.find_redirect(response)
            if not redirect:
                return response
            # Servers send UTF-8 where ASCII is required.
            step = parse_url(redirect.encode("latin-1"), base=url)
            if get_origin(step) != get_origin(url):
                headers.pop("Authorization", None)
            url = step
        raise InvalidUrlError(f"more than {MAX_REDIRECTS} redirects")


def _transfer(
    request: Request, options: Mapping[int, object], guard: AddressGuard | None
) -> Response:
    try:
        handle = _idle.pop()
    except IndexError:
        handle = pycurl.Curl()
    try:
        return Transfer(request, guard).run(handle, options)
    finally:
        _idle.append(handle)


def _build_headers(request: Request) -> dict[str, str]:
    headers = {"User-Agent": "imagequeue", "Accept-Encoding": "gzip, deflate"}
    if request.json is not None:
        headers["Content-Type"] = "application/json"
    return headers | {name.title(): value for name, value in request.headers.items()}


def _format_headers(headers: Mapping[str, str]) -> list[bytes]:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any({"\r", "\n", "\0"} & {*line} or max(line) > "\xff" for line in lines):
        raise NotSentError("a header has a character that it cannot hold")
    # Without an empty one, libcurl waits for "100 Continue" before large bodies.
    return [line.encode("latin-1") for line in (*lines, "Expect:")]


def _build_options(request: Request) -> dict[int, object]:
    """Return libcurl's options for a request, except for its URL, headers and deadline."""
    if request.method not in ("GET", "POST"):
        raise NotSentError(f"{request.method} is not supported")
    is_alone = int(not request.reuse_connection)
    options: dict[int, object] = {pycurl.FRESH_CONNECT: is_alone, pycurl.FORBID_REUSE: is_alone}
    if request.method == "POST":
        options |= {pycurl.POST: 1, pycurl.POSTFIELDS: _build_body(request)}
    if request.receiver:
        options |= {pycurl.LOW_SPEED_LIMIT: MIN_BYTES_PER_S, pycurl.LOW_SPEED_TIME: MAX_SILENCE_S}
    return options


def _build_body(request: Request) -> bytes:
    if request.json is None:
        return request.data
    try:
        return dumps(request.json, allow_nan=False).encode()
    except ValueError:
        raise NotSentError("the body has a number that JSON cannot hold") from None
