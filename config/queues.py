"""The queues: what a worker can be asked to do, and the names they have in Celery and in Redis."""

from __future__ import annotations

from enum import StrEnum


class Queue(StrEnum):
    """One kind of work; each has a Celery queue and a due set of this name."""

    SUBMIT = "submit"
    """Send the paid request."""
    POLL = "poll"
    """Ask how a task is doing, or end a wait that is over."""
    CALLBACK = "callback"
    """Read the callback bodies that the receiver stored."""
    DOWNLOAD = "download"
    """Save the pictures."""
    NOTIFY = "notify"
    """Send the webhooks."""
