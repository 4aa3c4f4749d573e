"""Names of the keys in Redis of webhooks."""

from __future__ import annotations

DEAD_WEBHOOKS = "iq:webhooks:dead"
"""Stream of webhooks that were given up on: `job` and `entry`, in this order."""

CALLER_WEBHOOKS = "iq:apikeys:webhooks"
"""Hash: the webhook of each API key that has one, with its secrets, as JSON by its name."""


def webhooks(job_id: str) -> str:
    """List of a job's webhooks that were not delivered yet, in order."""
    return f"iq:webhooks:{job_id}"


def deliveries(job_id: str) -> str:
    """List of the latest tries to deliver a job's webhooks, as JSON, oldest first."""
    return f"iq:deliveries:{job_id}"
