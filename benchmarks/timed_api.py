"""The API, which notes how long it works on each request: `uvicorn benchmarks.timed_api:app`.

`GET /timings` returns `[method, seconds]` of each request since the last call; streams and waits
are left out, because they last as long as they are asked to.
"""

from __future__ import annotations

import json
import time
from typing import Any

from imagequeue.producer.api import app as api

timings: list[tuple[str, float]] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve a request, and note its time from the head of the request to the whole answer."""
    if scope["type"] != "http" or scope["path"].endswith("/events"):
        await api(scope, receive, send)
        return
    if scope["path"] == "/timings":
        body = json.dumps(timings).encode()
        timings.clear()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
        return
    started = time.perf_counter()
    await api(scope, receive, send)
    timings.append((scope["method"], time.perf_counter() - started))
