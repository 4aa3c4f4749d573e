"""A try to deliver a webhook, in words for the command line and the dashboard."""

from __future__ import annotations

from ..jobs.delivery import Delivery

WORDS = {
    "rejected": "not accepted",
    "gone": "wants no more webhooks",
    "private_address": "at a private address that is not trusted",
    "invalid_url": "the URL is not valid",
    "not_sent": "not reached",
    "no_response": "no answer",
}


def describe_delivery(delivery: Delivery) -> str:
    """Return what became of a try, how long it took, and when the next one follows."""
    status = f"HTTP {delivery.status}, " if delivery.status else ""
    outcome = WORDS[delivery.error] if delivery.error else "delivered"
    text = f"{status}{outcome}, after {delivery.duration_ms} ms"
    if delivery.error is None:
        return text
    if delivery.next_at is None:
        return f"{text}; given up on"
    return f"{text}; tried again at {delivery.next_at:%Y-%m-%d %H:%M:%S}"
