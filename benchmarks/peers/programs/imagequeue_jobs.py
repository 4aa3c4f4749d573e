"""Jobs for imagequeue: one batch through its client."""

from __future__ import annotations

from settings import iter_jobs

from imagequeue import LocalClient


def send(first: int, end: int) -> None:
    """Submit the jobs `first` to `end`."""
    LocalClient().submit_batch(
        {"provider": "acedata-flux", "prompt": prompt, "delivery": "poll"}
        for _, prompt in iter_jobs(first, end)
    )
