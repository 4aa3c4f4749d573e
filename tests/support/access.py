"""Requests to check for access, without a server."""

import atexit
import functools
import socket
from contextlib import suppress

from fastapi import HTTPException, Request

from imagequeue.config.redis import connect
from imagequeue.config.settings import read_settings
from imagequeue.producer.api.access import Access


def request(method: str = "GET", peer: str = "127.0.0.1", **headers: str) -> Request:
    """Build a request as an ASGI server does; `sec_fetch_site` is the header Sec-Fetch-Site."""
    named = {"host": "localhost:8000", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": raw}
    return Request({**scope, "scheme": "http", "client": (peer, find_port(peer))})


@functools.cache
def find_port(peer: str) -> int:
    """Return a port at which a connection from an address of this machine stays open."""
    with suppress(OSError):
        listener = socket.create_server((peer, 0), family=_find_family(peer))
        connection = socket.create_connection(listener.getsockname()[:2])
        for each in (listener, connection):
            atexit.register(each.close)
        return int(connection.getsockname()[1])
    return 50000


def _find_family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def status_of(access_to: Access, asked: Request) -> int:
    try:
        return 200 if access_to.admit(asked) else 0
    except HTTPException as error:
        return error.status_code


def opened(overrides: dict[str, str], api_keys: str = "") -> Access:
    settings = read_settings(**overrides, api_keys=api_keys)
    return Access(settings, connect(settings))
