"""Parse server-sent events of job changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .results import JobEvent

if TYPE_CHECKING:
    from .catalogue import StateName
else:
    StateName = str


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    job: str = ""
    state: StateName = "queued"


class EventParser:
    """Puts the lines of a stream together; remembers the id of the last event."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._fields: dict[str, str] = {}

    def feed(self, line: str) -> JobEvent | None:
        """Return the event that a line ends, if any; one that is not readable is left out."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        self.last_id = fields.get("id", self.last_id)
        if fields.get("event") == "lost":
            return JobEvent(id=self.last_id, lost=True)
        try:
            data = msgspec.json.decode(fields.get("data", ""), type=_Data)
        except msgspec.MsgspecError:
            return None
        return JobEvent(id=self.last_id, job=data.job, state=data.state) if data.job else None
