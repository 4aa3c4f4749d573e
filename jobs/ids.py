"""Ids and callers' names, checked before text from outside becomes part of a Redis key."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

from ulid import ULID

from ..errors import InvalidRequestError, Problem

# A ULID in Crockford's base32; the first character has three bits only.
_ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_RANDOM_BITS = 80
_JOB_ID = re.compile(f"job_{_ULID}")
_BATCH_ID = re.compile(f"batch_{_ULID}")
_UPLOAD_ID = re.compile(f"upload_{_ULID}")


class _MonotonicIds:
    """ULIDs that sort in the order in which this process makes them, also within a millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def make(self, at: datetime) -> ULID:
        """Return a ULID of the time, or one above the last if that is of the same millisecond."""
        made = int(ULID.from_datetime(at))
        with self._lock:
            if made >> _RANDOM_BITS == self._last >> _RANDOM_BITS:
                made = self._last + 1
            self._last = made
        return ULID.from_int(made)


_ids = _MonotonicIds()


def make_job_id(at: datetime) -> str:
    """Return a new job id; ids sort by the time of their creation."""
    return f"job_{_ids.make(at)}"


def first_job_id(at: datetime) -> str:
    """Return an id that sorts before those of jobs created at this time or later."""
    ms = max(0, int(at.timestamp() * 1000))
    return f"job_{ULID.from_int(ms << _RANDOM_BITS)}"


def is_job_id(text: str) -> bool:
    """Return whether this can be the id of a job."""
    return _JOB_ID.fullmatch(text) is not None


def is_batch_id(text: str) -> bool:
    """Return whether this can be the id of a batch."""
    return _BATCH_ID.fullmatch(text) is not None


def make_upload_id(at: datetime) -> str:
    """Return a new id of an upload; nobody can guess it."""
    return f"upload_{ULID.from_datetime(at)}"


def is_upload_id(text: str) -> bool:
    """Return whether this can be the id of an upload."""
    return _UPLOAD_ID.fullmatch(text) is not None


def check_cursor(cursor: str | None, is_id: Callable[[str], bool] = is_job_id) -> None:
    """Raise InvalidRequestError for a cursor that no page of jobs, or of others, can have."""
    if cursor is not None and not is_id(cursor):
        raise InvalidRequestError([Problem("cursor", "must be the cursor of the previous page")])


def quote_name(name: str) -> str:
    """Return a name without separators, so that no name can be part of another key.

    The names of API keys stay as they are; other programs name themselves as they like.
    """
    return quote(name, safe="", errors="replace")
