"""Serve an ASGI app with a real uvicorn, in a thread of the test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from imagequeue.producer.local.ports import free_port
from support.processes import eventually

Serve = Callable[..., str]
"""Returns the address of an API with changed settings, which the tests of a file share."""


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
