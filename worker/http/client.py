"""The HTTP client of the workers: guarded redirects, and idle libcurl handles for reuse."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Mapping
from json import dumps
from urllib.parse import urlencode

import certifi
import pycurl

from .address_guard import AddressGuard
from .errors import InvalidUrlError, NotSentError
from .message import Receiver, Request, Response
from .transfer import Transfer
from .url import get_origin, parse_url

MAX_REDIRECTS = 5
MAX_IDLE_HANDLES = 64


class HttpClient:
    """HTTP for any number of threads.

    `guard` says which private addresses are allowed. `proxy` is an http:// or https:// URL;
    a proxy resolves names itself, so behind one only literal private addresses are blocked.
    `ca_file` replaces the public certificate authorities. No .netrc and no proxy of the environment
    is used: either could replace a key or carry it elsewhere.
    """

    def __init__(
        self, guard: AddressGuard | None = None, proxy: str = "", ca_file: str = ""
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
        }
        # Last in, first out: what was used last is the most likely to be still connected.
        # Appending and popping are atomic; what is too many closes.
        self._idle: deque[pycurl.Curl] = deque(maxlen=MAX_IDLE_HANDLES)
        _clients.add(self)

    def request(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        connect_timeout_s: float | None = None,
        block_private_addresses: bool = False,
        follow_redirects: bool = False,
        reuse_connection: bool = True,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: bytes | None = None,
        max_bytes: int = 0,
        receiver: Receiver | None = None,
    ) -> Response:
        """Send a GET or POST and return its response, all before `deadline` (monotonic clock).

        The body holds at most `max_bytes`; with a `receiver` it is streamed there instead. Only a
        GET follows redirects; errors are then about its last step. `reuse_connection=False` sends
        once, on a new connection; otherwise libcurl sends again if the connection was dead.
        Raises NotSentError, NoResponseError, and unchanged what the receiver raises.
        """
        fields = {"User-Agent": "imagequeue", "Accept-Encoding": "gzip, deflate"}
        fields |= {name.title(): value for name, value in (headers or {}).items()}
        if json is not None:
            data = _encode_json(json)
            fields["Content-Type"] = "application/json"
        follow_redirects = follow_redirects and method == "GET"
        target = parse_url(f"{url}?{urlencode(params)}" if params else url)
        for _ in range(MAX_REDIRECTS + 1):
            is_guarded = block_private_addresses and target not in self._guard.trusted_hosts
            if is_guarded:
                self._guard.require_allowed_host(target)
            response = self._run(
                Request(
                    method=method,
                    url=target,
                    headers=fields,
                    body=data,
                    deadline=deadline,
                    connect_timeout_s=connect_timeout_s,
                    max_bytes=max_bytes,
                    receiver=receiver,
                    reuse_connection=reuse_connection,
                    follow_redirects=follow_redirects,
                    guard=self._guard if is_guarded and not self._has_proxy else None,
                )
            )
            if not (follow_redirects and response.redirect):
                return response
            # Servers send UTF-8 where ASCII is required.
            step = parse_url(response.redirect.encode("latin-1"), base=target)
            if get_origin(step) != get_origin(target):
                fields.pop("Authorization", None)
            target = step
        raise InvalidUrlError(f"more than {MAX_REDIRECTS} redirects")

    def _run(self, request: Request) -> Response:
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = pycurl.Curl()
        try:
            return Transfer(handle, request, self._options).run()
        finally:
            self._idle.append(handle)

    def close_idle(self) -> None:
        """Close the connections that are not in use."""
        self._idle.clear()


def _encode_json(value: object) -> bytes:
    try:
        return dumps(value, allow_nan=False).encode()
    except ValueError as error:
        raise NotSentError(type(error).__name__) from None


_clients: weakref.WeakSet[HttpClient] = weakref.WeakSet()


def _close_idle() -> None:
    for client in list(_clients):
        client.close_idle()


# Two processes on one connection would read each other's responses.
os.register_at_fork(before=_close_idle)
