"""The API, which asks for the credit of each key every second."""

from __future__ import annotations

from imagequeue.config.http.server import serve
from imagequeue.producer.api.application import create_app
from imagequeue.producer.metrics import capacity_families

capacity_families.ASK_EVERY_S = 1.0

if __name__ == "__main__":
    serve(create_app, "The HTTP API.", 8000)
