"""Names of the keys in Redis of images, of uploads and of looks at input URLs."""

from __future__ import annotations

import hashlib

UPLOADS = "iq:uploads"
"""Sorted set of the names of uploads in the storage, by the time when they are deleted."""

UPLOADS_CLAIMED = "iq:uploads:claimed"
"""String that exists for a minute after a message to delete uploads was sent."""


def inline_image(job_id: str, url: str) -> str:
    """String: the bytes of an image that a response held itself, by the URL in the job's record."""
    return f"iq:inline:{job_id}:{url}"


def image_name(name: str) -> str:
    """String: the image that is stored under a name, as the job's id and its index."""
    return f"iq:name:{name}"


def upload(upload_id: str) -> str:
    """String: the record of an upload, as JSON; it ends with the upload."""
    return f"iq:{upload_id}"


def look(place: str) -> str:
    """String: what was lately found at an input URL, or at all those of a host, as JSON."""
    return f"iq:look:{hashlib.sha256(place.encode(errors='replace')).hexdigest()}"
