"""The callback receiver: check the URL, bound the body, store it, answer. A worker reads it later.

It also serves the input images of jobs to providers that take only URLs.

The receiver is safe to expose: unknown URLs get 404 before their body is read, bodies are limited
to 256 KB and 10 s, request heads to 16 KB and 10 s, and connections to 512.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...config.celery import make_celery
from ...config.http.security_headers import SecurityHeaders
from ...config.logging import get_logger
from ...config.redis import connect, connect_briefly, reachable
from ...config.settings import Settings
from ...config.tracing import span
from ...config.waits import Waits
from ...jobs.callback import Callback
from ...jobs.ids import is_job_id
from ...jobs.tokens import is_valid_challenge, is_valid_token, sign_challenge
from ...providers import accounts
from ...store.clock import RedisClock
from ...store.counters import Counters, PendingCounts
from ...store.deployment.agreement import Deployment
from ...store.deployment.processes import Heartbeat, ProcessKind, beating
from ...store.due.dispatcher import open_dispatcher
from .callback_dispatcher import CallbackDispatcher
from .callback_writer import CallbackNotStoredError, CallbackWriter
from .input_images import InputImages

log = get_logger(__name__)

# The largest documented callback, four videos with their prompt, stays far below this.
MAX_BODY_BYTES = 256 * 1024
# Providers give up after 15 seconds, so a slower body is not from a provider.
BODY_TIMEOUT_S = 10.0
# Enough to keep idle workers busy. The sweep dispatches the rest, in order.
MAX_QUEUED_MESSAGES = 32
FLUSH_COUNTS_EVERY_S = 1.0
# Below the timeout of the connection.
WAIT_MS = 1000


class Receiver:
    """The state that the receiver's endpoints share, and the endpoints."""

    def __init__(self, settings: Settings) -> None:
        self._secrets = settings.signing_secrets
        self._signature_headers = {h for account in accounts() for h in account.signature_headers}
        client = connect(settings)
        with reachable():
            Deployment(client).require_secrets("secret_key", self._secrets)
        self._clock = RedisClock(client)
        self._clock.refresh()
        self.images = InputImages(settings, self._clock.estimate)
        self._heartbeat = Heartbeat(client, settings, ProcessKind.RECEIVER)
        self._counters = Counters(client)
        self._tally = PendingCounts()
        self._async_client = connect_briefly(settings)
        waits = Waits(client, settings.durability, WAIT_MS)
        self._writer = CallbackWriter(self._async_client, waits)
        self._dispatcher = CallbackDispatcher(
            open_dispatcher(settings, client, make_celery(settings), MAX_QUEUED_MESSAGES),
            self._clock,
        )

    async def receive_callback(self, request: Request) -> Response:
        """POST /callbacks/{provider}/{job_id}/{token}: 200 once the body is stored."""
        started = time.perf_counter()
        path = request.path_params
        job_id = path["job_id"]
        if not is_job_id(job_id) or not is_valid_token(
            path["token"], self._secrets, path["provider"], job_id
        ):
            return self._refuse("forged", 404, "not found")
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await request.body()
        except HTTPException:
            return self._refuse("oversized", 413, "body too large")
        except TimeoutError:
            return self._refuse("slow", 408, "body too slow")
        headers = {
            k: v for k in self._signature_headers if (v := request.headers.get(k)) is not None
        }
        try:
            with span("receive callback", job_id, SpanKind.SERVER):
                await self._writer.store(job_id, Callback(self._clock.estimate(), headers, body))
        except CallbackNotStoredError:
            # The provider sends it again on its own schedule.
            return self._refuse("not_kept", 503, "try again later")
        self._dispatcher.add(job_id)
        self._tally["callbacks.accepted"] += 1
        self._tally.observe("callbacks.stored_ms", (time.perf_counter() - started) * 1000)
        return _json(200, b'{"status":"received"}')

    def _refuse(self, counter: str, status: int, message: str) -> Response:
        # Counted and not logged: strangers must not be able to fill a disk.
        self._tally[f"callbacks.{counter}"] += 1
        return _json(status, b'{"error":"%s"}' % message.encode())

    async def get_health(self, _: Request) -> Response:
        """GET /healthz: 200 while this process runs."""
        return _json(200, b'{"status":"ok"}')

    async def get_readiness(self, request: Request) -> Response:
        """GET /readyz: 200 while callbacks can be stored; a `challenge` gets a proof."""
        try:
            await self._writer.check()
        except CallbackNotStoredError:
            return _json(503, b'{"status":"Redis takes no writes"}')
        challenge = request.query_params.get("challenge", "")
        if not is_valid_challenge(challenge):
            return _json(200, b'{"status":"ok"}')
        proven = sign_challenge(self._secrets[0], challenge).encode()
        return _json(200, b'{"status":"ok","proof":"%s"}' % proven)

    @asynccontextmanager
    async def run(self, _: Starlette) -> AsyncIterator[None]:
        """Flush the counts to Redis once a second, and once more at the end."""
        flushing = asyncio.create_task(self._flush_counts_regularly())
        async with beating(self._heartbeat):
            yield
        flushing.cancel()
        with suppress(asyncio.CancelledError):
            await flushing
        await self._flush_counts()
        await self._async_client.aclose()

    async def _flush_counts_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_COUNTS_EVERY_S)
            await self._flush_counts()
            # In a thread: a Redis that does not answer must not keep senders waiting.
            await asyncio.to_thread(self._clock.refresh)

    async def _flush_counts(self) -> None:
        tally, self._tally = self._tally, PendingCounts()
        if not tally:
            return
        try:
            await asyncio.to_thread(self._counters.add, tally)
        except Exception as error:  # counted again with the next flush
            log.warning("counts_not_stored", error=type(error).__name__)
            self._tally.update(tally)


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")


async def _handle_disconnect(request: Request, error: Exception) -> Response:
    """Return a response that nobody reads: the sender hung up before its body was complete."""
    return Response(status_code=400)


def create_app(settings: Settings) -> Starlette:
    """Return the receiver as an ASGI app; raises ConfigError if it cannot work."""
    receiver = Receiver(settings)
    app = Starlette(
        routes=[
            Route(
                "/callbacks/{provider}/{job_id}/{token}",
                receiver.receive_callback,
                methods=["POST"],
                max_body_size=MAX_BODY_BYTES,
            ),
            Route("/uploads/{expires}/{token}/{name:path}", receiver.images.get_image),
            Route("/healthz", receiver.get_health),
            Route("/readyz", receiver.get_readiness),
        ],
        exception_handlers={ClientDisconnect: _handle_disconnect},
        lifespan=receiver.run,
    )
    app.middleware_stack = SecurityHeaders(app.build_middleware_stack())
    return app
