"""Names of the keys in Redis by which the processes of a deployment know of each other."""

from __future__ import annotations

STORAGE = "iq:storage"
"""String: the id of the storage that all processes use."""

ARCHIVE = "iq:archive"
"""String: the id of the archive that all processes use; absent where jobs are deleted."""

ARCHIVE_LOCK = "iq:archive:lock"
"""Lock of the worker that moves jobs to the archive."""

PROGRESS = "iq:progress"
"""String: a number that grows every minute, as in the storage; see store/deployment/progress.py."""

PROGRESS_TURN = "iq:progress:turn"
"""String: exists for a minute after the number has grown."""

DEPLOYMENT = "iq:deployment"
"""Hash: digests of each secret that all processes share, and their salt."""

PROCESSES = "iq:processes"
"""Sorted set of the ids of the processes that run by the time when each was last seen."""


def process(process_id: str) -> str:
    """String that expires: what a process says of itself, as JSON."""
    return f"iq:process:{process_id}"
