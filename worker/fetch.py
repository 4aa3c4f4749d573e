"""Fetch: the bytes behind a result URL, which comes from outside and is not trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from ..config.settings import Settings
from .http.client import Http, NoResponseError, Response

# Statuses of a server in trouble; any other refusal is about this URL.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# A transfer that breaks goes on where it stopped, so often; then the whole try counts as failed.
MAX_RESUMPTIONS = 5


class ServerUnavailableError(Exception):
    """The image host is in trouble: worth asking again for as long as the URL lives."""


class UrlRefusedError(Exception):
    """The URL itself is refused, or leads to nothing that can be saved."""


class TooLargeError(Exception):
    """There is more behind the URL than is saved; another try would not change that."""


class Fetch:
    """One transfer; iterate over it for the bytes. `tick` is called now and then."""

    def __init__(self, http: Http, settings: Settings, url: str, tick: Callable[[], None]) -> None:
        self._http = http
        self._url = url
        self._tick = tick
        self._tick_every_s = settings.lease_s / 3
        self._most_bytes = settings.download_max_bytes
        self._deadline = time.monotonic() + settings.download_timeout_s
        self._size = 0
        self._version = ""
        """What the server calls this state of the file, where it can resume; else empty."""

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """The bytes, of which there are at most `download_max_bytes`, in Response.pieces.

        Raises ServerUnavailableError, UrlRefusedError, TooLargeError, and what Http.exchange raises.
        """
        for resumption in range(MAX_RESUMPTIONS + 1):
            before = self._size
            try:
                yield from self._transfer()
            except NoResponseError:
                gained = self._size > before
                if not (gained and self._version) or resumption == MAX_RESUMPTIONS:
                    raise
            else:
                return

    def _transfer(self) -> Iterator[bytes | memoryview]:
        # Encoded, the bytes on the wire would not be those of the file.
        headers = {"Accept-Encoding": "identity"}
        if self._size:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._version}
        with self._http.request(
            "GET", self._url, deadline=self._deadline, block_private_addresses=True, headers=headers
        ) as response:
            self._require_expected(response)
            ticked = time.monotonic()
            for piece in response.iter_bytes():
                self._size += len(piece)
                if self._size > self._most_bytes:
                    raise TooLargeError(f"larger than {self._most_bytes} bytes")
                if time.monotonic() - ticked > self._tick_every_s:
                    self._tick()
                    ticked = time.monotonic()
                yield piece

    def _require_expected(self, response: Response) -> None:
        if response.status in TRANSIENT_STATUSES:
            raise ServerUnavailableError(f"HTTP {response.status}")
        if self._size:
            begins = response.headers.get("content-range", "").startswith(f"bytes {self._size}-")
            fits = begins and _fits(response, self._version)
            if response.status != HTTPStatus.PARTIAL_CONTENT or not fits:
                raise ServerUnavailableError(f"no rest of the file: HTTP {response.status}")
        elif response.status != HTTPStatus.OK:
            raise UrlRefusedError(f"HTTP {response.status}")
        else:
            self._version = _version(response)


def _version(response: Response) -> str:
    """A strong validator: a weak one does not promise the same bytes."""
    headers = response.headers
    if headers.get("accept-ranges") != "bytes" or "content-encoding" in headers:
        return ""
    tag = headers.get("etag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("last-modified", "")


def _fits(response: Response, version: str) -> bool:
    """Whether a part is of that version, which not every server that sends one has looked at."""
    name = "etag" if version.startswith('"') else "last-modified"
    return response.headers.get(name, version) == version
