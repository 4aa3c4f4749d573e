"""Streams of what is kept for a person: read newest first, or one entry by its whole id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import redis

PAGE = 100
_WHOLE_ID = re.compile(r"[0-9]+-[0-9]+")

Entry = tuple[bytes, dict[bytes, bytes]]
"""An id, and the fields under it."""


def newest_first(client: redis.Redis, key: str) -> Iterator[Entry]:
    """Every entry of a stream, a page at a time."""
    top = "+"
    while True:
        page: Any = client.xrevrange(key, top, "-", count=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        top = f"({page[-1][0].decode()}"


def find(client: redis.Redis, key: str, entry_id: str) -> Entry | None:
    """One entry of a stream; None if it is not there (any more)."""
    # Half an id would stand for whatever came in that millisecond.
    if not _WHOLE_ID.fullmatch(entry_id):
        return None
    found: Any = []
    with suppress(redis.ResponseError):  # a number too large for one
        found = client.xrange(key, entry_id, entry_id)
    return found[0] if found else None
