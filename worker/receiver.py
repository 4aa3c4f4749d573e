"""The callback receiver: check the URL, keep the body, answer; everything else is done later."""

from __future__ import annotations

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..config.celery_app import make_celery
from ..config.logs import get_logger
from ..config.queues import Queue
from ..config.redis import connect
from ..config.settings import Settings
from ..config.start import one_line_errors, start_process
from ..jobs.callback_url import is_genuine
from ..jobs.due import Due
from ..jobs.inbox import Callback, Inbox
from ..jobs.job import utc_now

log = get_logger(__name__)

# The largest documented callback, four videos with their prompt, stays far below this.
MOST_BODY_BYTES = 256 * 1024
SIGNING_HEADERS = ("x-webhook-timestamp", "x-webhook-signature")


class Receiver:
    """What the receiver's two endpoints share."""

    def __init__(self, settings: Settings) -> None:
        self._secrets = settings.signing_secrets
        self._redis = connect(settings)
        self._inbox = Inbox(self._redis)
        self._due = Due(self._redis, make_celery(settings), settings.queue_bound, settings.lease_s)

    async def callback(self, request: Request) -> Response:
        """POST /callbacks/{provider}/{job_id}/{token}: 200 once the body is kept."""
        path = request.path_params
        if not is_genuine(path["token"], self._secrets, path["provider"], path["job_id"]):
            return JSONResponse({"error": "not found"}, 404)
        body = await _bounded_body(request)
        if body is None:
            return JSONResponse({"error": "body too large"}, 413)
        headers = {k: v for k in SIGNING_HEADERS if (v := request.headers.get(k)) is not None}
        callback = Callback(utc_now(), headers, body)
        try:
            kept = await run_in_threadpool(self._inbox.put, path["job_id"], callback, callback.at)
        except RedisError as error:
            log.error("callback not kept", job_id=path["job_id"], error=type(error).__name__)
            kept = False
        if not kept:
            # The provider sends it again, on its own schedule.
            return JSONResponse({"error": "try again later"}, 503)
        log.info("callback kept", job_id=path["job_id"], provider=path["provider"])
        # After the answer: a broker that is slow must not cost the provider its patience.
        hint = BackgroundTask(self._due.hint, Queue.CALLBACK, [path["job_id"]], callback.at)
        return JSONResponse({"status": "received"}, background=hint)

    async def health(self, _: Request) -> Response:
        """GET /healthz: 200 while callbacks can be kept."""
        try:
            await run_in_threadpool(self._redis.ping)
        except (RedisError, OperationalError):
            return JSONResponse({"status": "Redis does not answer"}, 503)
        return JSONResponse({"status": "ok"})


async def _bounded_body(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            return None
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
        ],
        exception_handlers={ClientDisconnect: _gone},
    )


def __getattr__(name: str) -> Starlette:
    """`app`, made when a server asks for it: importing this module connects to nothing."""
    if name != "app":
        raise AttributeError(name)
    with one_line_errors():
        return create_app(start_process())
