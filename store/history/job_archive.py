"""What the store needs of an archive of finished jobs; `imagequeue.archive` has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from ...jobs.filter import JobConditions
from ...jobs.job import State
from ...jobs.snapshot import Snapshot


class JobArchive(Protocol):
    """Jobs outside Redis, as records by their ids; what Redis has is newer."""

    url: str

    def read_id(self) -> str:
        """Return the id of the archive; empty before it has one."""

    def write_id(self, new: str) -> None:
        """Replace the id."""

    def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""

    def put(self, snapshots: Sequence[Snapshot]) -> set[str]:
        """Write jobs durably, and return the ids of those that have nothing to add to it."""

    def get_many(self, job_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the records of those of the jobs that are archived."""

    def restoring(self, job_id: str) -> AbstractContextManager[bytes | None]:
        """Lock a job, yield its record, and mark it as back in Redis."""

    def mark_restored(self, job_ids: Sequence[str]) -> None:
        """Mark jobs as being in Redis."""

    def find(
        self,
        chosen: JobConditions,
        states: set[State],
        since: datetime | None,
        limit: int,
        below: str | None = None,
        above: str | None = None,
    ) -> dict[str, bytes]:
        """Return the records of jobs that may match, newest first, from below an id on.

        Oldest first, from above an id on, if that is given.
        """

    def count_by_state(
        self, chosen: JobConditions, since: datetime | None = None
    ) -> dict[State, int]:
        """Return how many jobs are in each state, without those that are back in Redis."""

    def find_made(self, fingerprints: Sequence[str]) -> dict[str, str]:
        """Return the id of the latest job that has succeeded with each fingerprint."""

    def put_entries(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """Write entries of the ledger durably: id, id of the job, JSON."""

    def iter_entries(self, below: str | None = None) -> Iterable[tuple[str, str, str]]:
        """Yield the entries of the ledger, newest first, from below an id on."""


ArchiveOpener = Callable[[], JobArchive | None]


def no_archive() -> None:
    """Return that there is no archive: finished jobs are deleted."""
