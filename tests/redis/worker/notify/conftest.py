"""Fixtures: a receiver of webhooks, the settings that lead to it, and a clock that starts now."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from imagequeue.jobs.job import utc_now
from support.asgi import serving
from support.clock import Clock
from support.worker.webhooks import SECRET, TOKEN, Listener


@pytest.fixture(scope="module")
def served() -> Iterator[Listener]:
    listener = Listener()
    methods = ["GET", "POST"]
    app = Starlette(routes=[Route("/{path:path}", listener.take, methods=methods)])
    with serving(app) as url:
        listener.netloc = url.removeprefix("http://")
        yield listener


@pytest.fixture
def listener(served: Listener) -> Listener:
    served.forget()
    return served


@pytest.fixture
def overrides(overrides: dict[str, str], listener: Listener) -> dict[str, str]:
    return {
        **overrides,
        "webhook_url": f"http://{listener.netloc}/hooks/{TOKEN}",
        "webhook_secret": SECRET,
        "webhook_trusted_hosts": listener.netloc,
        "sweep_every_s": "0.02",
    }


@pytest.fixture
def clock() -> Clock:
    """Starts now, because receivers reject old timestamps."""
    clock = Clock()
    clock.time = utc_now()
    return clock
