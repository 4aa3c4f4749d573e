"""The baseline: Starlette that only does an LPUSH of the body; no check, no bound, no wake-up."""

from __future__ import annotations

import functools
import os

import redis.asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

LIST = "baseline"


@functools.cache
def _client() -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(os.environ["IMAGEQUEUE_REDIS_URL"])


async def _store(request: Request) -> Response:
    await _client().lpush(LIST, await request.body())
    return Response()


app = Starlette(routes=[Route("/callback", _store, methods=["POST"])])
