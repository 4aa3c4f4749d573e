"""Fetch: the bytes behind a result URL, which comes from outside and is not trusted."""

from __future__ import annotations

import time
from http import HTTPStatus

from ...config.settings import Settings
from ..http.client import HttpClient
from ..http.errors import NoResponseError
from ..http.message import Request, Response, Write
from .host_slots import HostSlots

# Statuses of a server with a fault; any other refusal is about this URL.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# A broken transfer is resumed this often; then the whole try counts as failed.
MAX_RESUMPTIONS = 5
# Of the 8 threads of a downloader, two are left for other hosts.
MAX_DOWNLOADS_PER_HOST = 6
_slots = HostSlots(MAX_DOWNLOADS_PER_HOST)


class ServerUnavailableError(Exception):
    """The image host has a fault: worth trying again for as long as the URL lives."""


class UrlRefusedError(Exception):
    """The URL itself is refused, or leads to nothing that can be saved."""


class TooLargeError(Exception):
    """The file is larger than the limit; another try would not change that."""


class Fetch:
    """One file's transfer, in up to `MAX_RESUMPTIONS + 1` requests that share one deadline."""

    def __init__(
        self,
        http: HttpClient,
        settings: Settings,
        url: str,
        write: Write,
        deadline: float | None = None,
        max_bytes: int | None = None,
    ) -> None:
        """The deadline and the size are by default those of downloads."""
        self._http = http
        self._url = url
        self._write_to = write
        self._max_bytes = settings.download_max_bytes if max_bytes is None else max_bytes
        self._deadline = deadline or time.monotonic() + settings.download_timeout_s
        self._size = 0
        self._validator = ""
        """The strong ETag or the date of the file, if the server can resume it; else empty."""

    def run(self) -> int:
        """Write the file in pieces, at most `max_bytes`, and return its size.

        Raises HostBusyError, ServerUnavailableError, UrlRefusedError, TooLargeError, what
        HttpClient.send raises, and unchanged what `write` raises.
        """
        with _slots.hold(self._url):
            return self._transfer()

    def _transfer(self) -> int:
        for resumption in range(MAX_RESUMPTIONS + 1):
            before = self._size
            try:
                self._request()
            except NoResponseError:
                can_resume = self._size > before and self._validator
                if not can_resume or resumption == MAX_RESUMPTIONS:
                    raise
            else:
                break
        return self._size

    def _request(self) -> None:
        # With a content encoding, ranges would not count the bytes of the file.
        headers = {"Accept-Encoding": "identity"}
        if self._size:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._validator}
        request = Request(
            method="GET",
            url=self._url,
            deadline=self._deadline,
            headers=headers,
            receiver=self._receive,
            block_private_addresses=True,
            follow_redirects=True,
        )
        self._http.send(request)

    def _receive(self, response: Response) -> Write:
        """Check the head of a response; its body goes to `_write`."""
        if response.status in TRANSIENT_STATUSES:
            raise ServerUnavailableError(f"HTTP {response.status}")
        if self._size:
            starts = response.headers.get("content-range", "").startswith(f"bytes {self._size}-")
            fits = starts and _is_same_file(response, self._validator)
            if response.status != HTTPStatus.PARTIAL_CONTENT or not fits:
                raise ServerUnavailableError(f"no rest of the file: HTTP {response.status}")
        elif response.status != HTTPStatus.OK:
            raise UrlRefusedError(f"HTTP {response.status}")
        else:
            self._validator = _get_validator(response)
        return self._write

    def _write(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise TooLargeError(f"larger than {self._max_bytes} bytes")
        self._write_to(piece)


def _get_validator(response: Response) -> str:
    """Return a strong validator, or ""; a weak one does not promise the same bytes."""
    headers = response.headers
    if headers.get("accept-ranges") != "bytes" or "content-encoding" in headers:
        return ""
    tag = headers.get("etag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("last-modified", "")


def _is_same_file(response: Response, validator: str) -> bool:
    """Return whether a part belongs to the file; some servers ignore If-Range."""
    name = "etag" if validator.startswith('"') else "last-modified"
    return response.headers.get(name, validator) == validator
