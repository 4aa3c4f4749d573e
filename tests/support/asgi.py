"""Serve an ASGI app with a real uvicorn, in a thread of the test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn

from imagequeue.config.settings import Settings
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.ports import free_port
from support.processes import eventually

Serve = Callable[..., str]
"""Returns the address of an API with changed settings, which the tests of a file share; `uvicorn`
has the options of its server."""


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, **{"log_config": None, **options}))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@contextmanager
def serving_apis() -> Iterator[Callable[..., str]]:
    """Serve one API for equal settings and options of uvicorn: to build an app takes long."""
    served: list[tuple[Settings, dict[str, Any], str]] = []
    with ExitStack() as stack:

        def serve(settings: Settings, **options: Any) -> str:
            for *known, url in served:
                if known == [settings, options]:
                    return url
            app = create_app(settings)
            url = stack.enter_context(serving(app, timeout_graceful_shutdown=1, **options))
            served.append((settings, options, url))
            return url

        yield serve
