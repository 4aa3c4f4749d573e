"""Serve the receiver with every limit: `python -m imagequeue.worker.receiver`."""

from __future__ import annotations

from ...config.http.server import serve
from .application import create_app

if __name__ == "__main__":
    serve(create_app, "The callback receiver.", 8001)
