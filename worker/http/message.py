"""HTTP messages: what a request and a response are, and how their heads are written and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pycurl

from .address_guard import AddressGuard
from .errors import NoResponseError

REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Response(NamedTuple):
    """A response. Header names are in lower case; of several with one name, the first counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def redirect(self) -> str:
        """Where the response redirects to; empty if nowhere."""
        return self.headers.get("location", "") if self.status in REDIRECTS else ""


Write = Callable[[bytes], object]
Receiver = Callable[[Response], Write]
"""Takes the head of a response and returns what takes its body, in pieces of about 256 KB."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it goes out, and how much of its response is wanted."""

    method: str
    url: pycurl.CurlUrl
    headers: Mapping[str, str]
    body: bytes | None
    deadline: float
    connect_timeout_s: float | None
    """None for the usual one."""
    max_bytes: int
    receiver: Receiver | None
    reuse_connection: bool
    follow_redirects: bool
    guard: AddressGuard | None
    """Checks each address; None allows all."""


def is_whole_json(body: bytes) -> bool:
    """Return whether a body is a JSON object or list: no part of one is another."""
    try:
        return isinstance(json.loads(body), dict | list)
    except (ValueError, RecursionError):
        return False


def parse_status(line: bytes) -> int:
    """Return the status of a response's first line; raises NoResponseError for an unusable one.

    libcurl itself refuses other versions than 1.0, 1.1 and 2, a line without a colon, a negative
    length, and more than 300 KB of headers: such a response is no response, whatever its body.
    """
    _, _, rest = line.partition(b" ")
    status = rest.strip()[:3]
    if not (line.startswith(b"HTTP/") and status.isdigit()):
        raise NoResponseError("the response is not HTTP")
    return int(status)


def format_headers(headers: Mapping[str, str]) -> list[bytes]:
    """Return header lines; raises ValueError for text that cannot stand in a header."""
    for text in (*headers, *headers.values()):
        if {"\r", "\n", "\0"} & set(text):
            raise ValueError("a line break in a header")
    lines = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    # Without an empty one, libcurl waits for "100 Continue" before large bodies.
    return [*lines, b"Expect:"]
