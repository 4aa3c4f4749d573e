"""Serve the API with every limit: `python -m imagequeue.producer.api`."""

from __future__ import annotations

from ...config.http.server import serve
from .application import create_app

# An open stream ends by itself as the API stops; a request gets this long.
STOP_AFTER_S = 10

if __name__ == "__main__":
    serve(create_app, "The HTTP API.", 8000, timeout_graceful_shutdown=STOP_AFTER_S)
