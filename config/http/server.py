"""Serve an ASGI app within bounds: connections, time and size of heads, and lines in the log."""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable
from typing import Any

import uvicorn

from ..process import exit_on_config_error, start_process
from ..settings import Settings
from .bounded_protocol import MAX_HEAD_BYTES, BoundedProtocol

MAX_CONNECTIONS = 512


def count_max_connections(wanted: int = MAX_CONNECTIONS) -> int:
    """Return how many connections to serve: half of the descriptors are for Redis and files."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, descriptors // 2))


def server_options(max_connections: int = MAX_CONNECTIONS) -> dict[str, Any]:
    """Return uvicorn's options that bound the memory and connections a stranger can take."""
    limit = count_max_connections(max_connections)
    return {
        "http": BoundedProtocol,
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
        "limit_concurrency": limit,
        # asyncio accepts so many at once, before the first can be hung up on.
        "backlog": max(8, limit // 8),
        "access_log": False,
        "log_config": None,
    }


def serve(create_app: Callable[[Settings], Any], name: str, port: int, **options: Any) -> None:
    """Read the address from the command line and serve until a signal."""
    parser = argparse.ArgumentParser(description=name)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    given = parser.parse_args()
    with exit_on_config_error():
        app = create_app(start_process())
    uvicorn.run(app, host=given.host, port=given.port, **server_options(), **options)
