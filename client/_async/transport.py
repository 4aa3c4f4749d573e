"""Send calls over HTTP, and send them again where that is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx

from ... import __version__
from ...errors import ApiUnavailableError
from ..calls import Call
from ..concurrency import AsyncSlots, async_sleep, shut_down
from ..config import Target
from ..responses import parse, parse_error
from ..retries import Retries

T = TypeVar("T")
CONNECT_TIMEOUT_S = 5.0
# More wait for each other in the API, and make other callers wait: with four, an answer took half
# as long again, and a second brought 36 jobs in place of 30. Providers take a few.
MAX_CONCURRENT = 2
# A stream sends at least a comment every 15 s.
STREAM_TIMEOUT_S = 35.0


class AsyncTransport:
    """The connections of one client."""

    def __init__(
        self, target: Target, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.url = target.url
        self._timeout_s = timeout_s
        self._slots = AsyncSlots(MAX_CONCURRENT)
        headers = {"User-Agent": f"imagequeue-python/{__version__}"}
        if target.api_key:
            headers["Authorization"] = f"Bearer {target.api_key}"
        self._streams: set[httpx.Response] = set()
        self._http = httpx.AsyncClient(
            base_url=target.url,
            headers=headers,
            # httpcore counts busy connections, such as streams, against a limit of idle ones.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            transport=transport,
        )

    async def fetch(self, call: Call, kind: type[T], timeout_s: float | None = None) -> T:
        """Return the parsed answer to a call; raises what `send` raises, or ApiError."""
        return parse(await self.send(call, timeout_s), kind)

    async def send(self, call: Call, timeout_s: float | None = None) -> bytes:
        """Return the body of a success; raises ApiUnavailableError, or the error it means."""
        retries = Retries(timeout_s or self._timeout_s, is_repeatable=call.is_repeatable)
        while True:
            try:
                async with self._slots:
                    response = await self._http.request(
                        call.method,
                        call.path,
                        params=call.params,
                        content=call.body,
                        headers=call.headers,
                        timeout=httpx.Timeout(retries.begin(), connect=CONNECT_TIMEOUT_S),
                    )
            except httpx.RequestError as error:
                never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                pause_s = retries.after_failure(was_sent=not never_sent)
                if pause_s is None:
                    raise self._unreachable(error) from error
            else:
                if response.is_success:
                    return response.content
                after = response.headers.get("retry-after")
                pause_s = retries.after_status(response.status_code, after)
                if pause_s is None:
                    headers, body = response.headers, response.content
                    raise parse_error(call, response.status_code, headers, body)
            await async_sleep(pause_s)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[AsyncIterator[str]]:
        """Open a stream once, and yield its lines; raises what `send` raises."""
        if self._http.is_closed:
            raise ApiUnavailableError(None, "the client is closed")
        timeout = httpx.Timeout(STREAM_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            async with self._http.stream(
                call.method, call.path, headers=call.headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    body = await response.aread()
                    raise parse_error(call, response.status_code, response.headers, body)
                self._streams.add(response)
                try:
                    yield response.aiter_lines()
                finally:
                    self._streams.discard(response)
        except httpx.RequestError as error:
            raise self._unreachable(error) from error

    def hang_up(self) -> None:
        """End the open streams: another thread may be reading one."""
        for response in list(self._streams):
            shut_down(response)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    def _unreachable(self, error: httpx.RequestError) -> ApiUnavailableError:
        return ApiUnavailableError(
            None, f"no answer from {self.url} ({type(error).__name__}): check IMAGEQUEUE_URL"
        )
