"""Celery's consumer of messages, which survives every way in which a broker can go away."""

from __future__ import annotations

from celery.worker.consumer import Consumer

from ..config.logging import get_logger

log = get_logger(__name__)


class LastingConsumer(Consumer):
    """Connects again where Celery's own would end the worker."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop the connection, and what is left of its channels."""
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError:
            # kombu 5.7: a channel that failed to close once has no transport the second time. Its
            # messages are lost with it, and the jobs that they name are dispatched again.
            log.warning("channel_not_closed", error=type(exc).__name__)
