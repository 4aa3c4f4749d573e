"""What a request asks for, and what its response holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Response(NamedTuple):
    """A response. Header names are in lower case; of several with one name, the first counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


Write = Callable[[bytes], object]
Receiver = Callable[[Response], Write]
"""Takes the head of a response and returns what takes its body, in pieces of about 256 KB."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A GET or POST, what it may do on its way, and how much of its response is wanted."""

    method: str
    url: str
    deadline: float
    """When all of it ends, by the monotonic clock."""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    data: bytes = b""
    max_bytes: int = 0
    """The maximum size of the response's body; the rest is not read."""
    receiver: Receiver | None = None
    """If set, the body is streamed there instead."""
    block_private_addresses: bool = False
    follow_redirects: bool = False
    """Only a GET follows any; errors are then about its last step."""
    reuse_connection: bool = True
    """If false, it is sent once, on a new connection; else libcurl sends again on a dead one."""

    def find_redirect(self, response: Response) -> str:
        """Return where the request goes on after a response; empty if nowhere."""
        follows = self.follow_redirects and self.method == "GET" and response.status in REDIRECTS
        return response.headers.get("location", "") if follows else ""
