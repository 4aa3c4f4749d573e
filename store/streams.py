"""Redis streams whose entries are parsed one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

import redis

from ..errors import UnreadableRecordError

PAGE = 100
_COMPLETE_ID = re.compile(r"[0-9]+-[0-9]+")

Entry = tuple[bytes, dict[bytes, bytes]]
"""The id and the fields of an entry."""
T = TypeVar("T")


class EntryStream(Generic[T]):
    """The parsed entries of a stream; one that cannot be parsed hides no other."""

    def __init__(
        self, client: redis.Redis, key: str, parse: Callable[[str, dict[bytes, bytes]], T]
    ) -> None:
        self._redis = client
        self._key = key
        self._parse_fields = parse

    def __iter__(self) -> Iterator[T]:
        """Yield every entry that can be read, newest first."""
        for entry in self._iter_entries():
            with suppress(UnreadableRecordError):
                yield self._parse(entry)

    def list_unreadable(self) -> dict[str, str]:
        """Return the ids of the entries that cannot be read, and why."""
        unreadable: dict[str, str] = {}
        for entry in self._iter_entries():
            try:
                self._parse(entry)
            except UnreadableRecordError as error:
                unreadable[error.record_id] = error.why
        return unreadable

    def find(self, entry_id: str) -> T | None:
        """Return one entry, or None if there is no such entry; raises UnreadableRecordError."""
        # Redis takes an id without its second part for a range: all entries of that millisecond.
        if not _COMPLETE_ID.fullmatch(entry_id):
            return None
        found: Any = []
        with suppress(redis.ResponseError):  # a number too large for an id
            found = self._redis.xrange(self._key, entry_id, entry_id)
        return self._parse(found[0]) if found else None

    def _iter_entries(self) -> Iterator[Entry]:
        top = "+"
        while True:
            page: Any = self._redis.xrevrange(self._key, top, "-", count=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            top = f"({page[-1][0].decode()}"

    def _parse(self, entry: Entry) -> T:
        entry_id, fields = entry[0].decode(), entry[1]
        try:
            return self._parse_fields(entry_id, fields)
        except Exception as error:
            why = f"{type(error).__name__}; `XDEL {self._key} {entry_id}` deletes it from Redis"
            raise UnreadableRecordError(entry_id, why) from None
