"""Ids and callers' names, checked before text from outside becomes part of a Redis key."""

from __future__ import annotations

import re
from urllib.parse import quote

# A ULID in Crockford's base32; the first character has three bits only.
_ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_JOB_ID = re.compile(f"job_{_ULID}")
_BATCH_ID = re.compile(f"batch_{_ULID}")


def is_job_id(text: str) -> bool:
    """Return whether this can be the id of a job."""
    return _JOB_ID.fullmatch(text) is not None


def is_batch_id(text: str) -> bool:
    """Return whether this can be the id of a batch."""
    return _BATCH_ID.fullmatch(text) is not None


def quote_caller(caller: str) -> str:
    """Return a caller's name without separators, so that no name can be part of another key.

    The names of API keys stay as they are; other programs name themselves as they like.
    """
    return quote(caller, safe="", errors="replace")
