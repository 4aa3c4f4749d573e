"""Jobs for imagequeue: one batch, as its client sends them."""

from __future__ import annotations

from settings import asked

from imagequeue import Client


def send(first: int, end: int) -> None:
    """Submit jobs."""
    Client().submit_batch(
        {"provider": "acedata-flux", "prompt": prompt, "delivery": "poll"}
        for _, prompt in asked(first, end)
    )
