"""A callback as it is kept, and what may become of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple


class Callback(NamedTuple):
    """One callback as it arrived: the body is untouched, the headers are those that sign it."""

    at: datetime
    headers: Mapping[str, str]
    body: bytes

    def dump(self) -> bytes:
        """The entry that is kept: a line of JSON, then the body."""
        head = {"at": self.at.timestamp(), "headers": dict(self.headers)}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def load(cls, entry: bytes) -> Callback:
        """The callback of an entry."""
        head, _, body = entry.partition(b"\n")
        fields = json.loads(head)
        return cls(datetime.fromtimestamp(fields["at"], UTC), fields["headers"], body)


class Outcome(StrEnum):
    """The end of one callback; what is not used up goes to the quarantine under this name."""

    SETTLED = "settled"
    """It moved its job on."""
    DUPLICATE = "duplicate"
    """It says what the job's record says already."""
    CONTRADICTED = "contradicted"
    """It reports a failure of a job whose pictures are known: they win, and the job notes it."""
    ORPHANED = "orphaned"
    """Its job is unknown, removed, or over."""
    MISMATCHED = "mismatched"
    """It reports on another task than the one its job waits for."""
    UNTRUSTED = "untrusted"
    """Its signature is missing or wrong, or its provider does not confirm what it says."""
    UNREADABLE = "unreadable"
    """Its body is none of the shapes its provider documents."""
    POISON = "poison"
    """Its reader broke over it, again and again."""

    @property
    def is_quarantined(self) -> bool:
        """Whether the callback holds something that the job's record does not."""
        return self not in (Outcome.SETTLED, Outcome.DUPLICATE)
