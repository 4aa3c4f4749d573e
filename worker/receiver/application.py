"""The callback receiver: check the URL, bound the body, keep it, answer; the rest is done later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...config.celery import make_celery
from ...config.logging import get_logger
from ...config.redis import broker, connect, connect_briefly
from ...config.settings import Settings
from ...jobs.callback import Callback
from ...jobs.challenge import CHALLENGE, proof
from ...jobs.job import utc_now
from ...jobs.tokens import is_genuine
from ...providers import accounts
from ...store.counters import Counters, Tally
from ...store.wakeups import WakeUps
from .bounded_protocol import MAX_HEAD_BYTES, BoundedProtocol
from .callback_writer import CallbackNotStoredError, CallbackWriter, Hints

log = get_logger(__name__)

# The largest documented callback, four videos with their prompt, stays far below this.
MAX_BODY_BYTES = 256 * 1024
# Providers give up after 15 seconds; whoever takes longer to send is none.
BODY_TIMEOUT_S = 10.0
MAX_CONNECTIONS = 512
# Hints that may stand in the queue before the rest is left to the sweep: enough for idle workers.
HINTS_AHEAD = 32
COUNT_EVERY_S = 1.0


class TooLargeError(Exception):
    """The body is larger than any callback."""


class Receiver:
    """What the receiver's endpoints share."""

    def __init__(self, settings: Settings) -> None:
        self._secrets = settings.signing_secrets
        self._signature_headers = {h for account in accounts() for h in account.signature_headers}
        client = connect(settings)
        self._counters = Counters(client)
        self._tally = Tally()
        self._brief = connect_briefly(settings)
        self._intake = CallbackWriter(self._brief)
        queues = broker(settings, client), make_celery(settings)
        self._hints = Hints(WakeUps(client, *queues, bound=HINTS_AHEAD, lease_s=settings.lease_s))

    async def callback(self, request: Request) -> Response:
        """POST /callbacks/{provider}/{job_id}/{token}: 200 once the body is kept."""
        started = time.perf_counter()
        path = request.path_params
        job_id = path["job_id"]
        if not is_genuine(path["token"], self._secrets, path["provider"], job_id):
            return self._refuse("forged", 404, "not found")
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _bounded_body(request)
        except TooLargeError:
            return self._refuse("oversized", 413, "body too large")
        except TimeoutError:
            return self._refuse("slow", 408, "body too slow")
        headers = {
            k: v for k in self._signature_headers if (v := request.headers.get(k)) is not None
        }
        try:
            await self._intake.keep(job_id, Callback(utc_now(), headers, body))
        except CallbackNotStoredError:
            # The provider sends it again, on its own schedule.
            return self._refuse("not_kept", 503, "try again later")
        self._hints.add(job_id)
        self._tally["callbacks.accepted"] += 1
        self._tally.observe("callbacks.stored_ms", (time.perf_counter() - started) * 1000)
        return _json(200, b'{"status":"received"}')

    def _refuse(self, name: str, status: int, words: str) -> Response:
        # Counted and not logged: strangers must not be able to fill a disk.
        self._tally[f"callbacks.{name}"] += 1
        return _json(status, b'{"error":"%s"}' % words.encode())

    async def health(self, _: Request) -> Response:
        """GET /healthz: 200 while this process runs."""
        return _json(200, b'{"status":"ok"}')

    async def ready(self, request: Request) -> Response:
        """GET /readyz: 200 while callbacks can be kept; a `challenge` is answered with a proof."""
        try:
            await self._intake.check()
        except CallbackNotStoredError:
            return _json(503, b'{"status":"Redis takes no writes"}')
        challenge = request.query_params.get("challenge", "")
        if not CHALLENGE.fullmatch(challenge):
            return _json(200, b'{"status":"ok"}')
        proven = proof(self._secrets[0], challenge).encode()
        return _json(200, b'{"status":"ok","proof":"%s"}' % proven)

    @asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        """Add the counts to the sums once a second, and once more at the end."""
        counting = asyncio.create_task(self._count())
        yield
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting
        await self._add_counts()
        await self._brief.aclose()

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            await self._add_counts()

    async def _add_counts(self) -> None:
        tally, self._tally = self._tally, Tally()
        if not tally:
            return
        try:
            await asyncio.to_thread(self._counters.add, tally)
        except RedisError:
            self._tally.update(tally)


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")


async def _bounded_body(request: Request) -> bytes:
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError
    return bytes(body)


async def _gone(request: Request, error: Exception) -> Response:
    """The sender hung up before its body was whole: there is nobody left to answer."""
    return Response(status_code=400)


def create_app(settings: Settings) -> Starlette:
    """The receiver as an ASGI app; raises ConfigError if it cannot work."""
    receiver = Receiver(settings)
    return Starlette(
        routes=[
            Route("/callbacks/{provider}/{job_id}/{token}", receiver.callback, methods=["POST"]),
            Route("/healthz", receiver.health),
            Route("/readyz", receiver.ready),
        ],
        exception_handlers={ClientDisconnect: _gone},
        lifespan=receiver.running,
    )


def server_options() -> dict[str, Any]:
    """What uvicorn is told so that strangers can hold neither its memory nor its connections."""
    return {
        "http": BoundedProtocol,
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
        "limit_concurrency": MAX_CONNECTIONS,
        "access_log": False,
        "log_config": None,
    }
