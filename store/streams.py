"""Reading Redis streams: newest entries first, or one entry by its id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import redis

PAGE = 100
_COMPLETE_ID = re.compile(r"[0-9]+-[0-9]+")

Entry = tuple[bytes, dict[bytes, bytes]]
"""The id and the fields of an entry."""


def iter_newest_first(client: redis.Redis, key: str) -> Iterator[Entry]:
    """Yield every entry of a stream, read page by page."""
    top = "+"
    while True:
        page: Any = client.xrevrange(key, top, "-", count=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        top = f"({page[-1][0].decode()}"


def find_entry(client: redis.Redis, key: str, entry_id: str) -> Entry | None:
    """Return one entry of a stream, or None if there is no such entry."""
    # Redis takes an id without its second part for a range: all entries of that millisecond.
    if not _COMPLETE_ID.fullmatch(entry_id):
        return None
    found: Any = []
    with suppress(redis.ResponseError):  # a number too large for an id
        found = client.xrange(key, entry_id, entry_id)
    return found[0] if found else None
