"""The queues of work, with the names that they have in Celery and in Redis."""

from __future__ import annotations

from enum import StrEnum


class Queue(StrEnum):
    """One kind of work, with a Celery queue and a due set of the same name."""

    SUBMIT = "submit"
    """Send the paid request."""
    POLL = "poll"
    """Ask the provider for a task's status, or give up at the deadline."""
    CALLBACK = "callback"
    """Apply the callbacks that the receiver stored."""
    DOWNLOAD = "download"
    """Save the images."""
    NOTIFY = "notify"
    """Send webhooks."""
