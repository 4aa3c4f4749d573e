"""A callback as it is stored, and the outcomes of processing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple


class Callback(NamedTuple):
    """One callback as it arrived: the raw body, and the headers that sign it."""

    at: datetime
    headers: Mapping[str, str]
    body: bytes

    def dump(self) -> bytes:
        """Return the entry that is stored: a line of JSON, then the body."""
        head = {"at": self.at.timestamp(), "headers": dict(self.headers)}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def load(cls, entry: bytes) -> Callback:
        """Parse an entry that `dump` made; one that is damaged is all body, without a time."""
        head, _, body = entry.partition(b"\n")
        try:
            fields = json.loads(head)
            return cls(datetime.fromtimestamp(fields["at"], UTC), dict(fields["headers"]), body)
        except (ValueError, TypeError, LookupError, OverflowError):
            return cls(datetime.fromtimestamp(0, UTC), {}, entry)


class Outcome(StrEnum):
    """What became of one callback; in the quarantine, this is the reason."""

    SETTLED = "settled"
    """It changed its job."""
    DUPLICATE = "duplicate"
    """The job's record says the same already."""
    CONTRADICTED = "contradicted"
    """It reports a failure of a job whose images are known: they win, and the history notes it."""
    ORPHANED = "orphaned"
    """Its job is unknown, deleted or finished."""
    MISMATCHED = "mismatched"
    """It reports on a task that its job does not wait for."""
    UNTRUSTED = "untrusted"
    """Its signature is missing or invalid, or the provider does not confirm its report."""
    UNREADABLE = "unreadable"
    """Its body has no shape that the provider documents."""
    POISON = "poison"
    """Processing it failed too often."""

    @property
    def is_quarantined(self) -> bool:
        """Whether the callback holds something that the job's record does not."""
        return self not in (Outcome.SETTLED, Outcome.DUPLICATE)
