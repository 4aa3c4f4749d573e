"""The archive of finished jobs: a row is the last version that was archived.

A row stays when its job is brought back into Redis, and is replaced when the job is archived again.
So whoever reads both finds each job in at least one of them; what Redis has is the newer version.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..jobs.filter import JobConditions
from ..jobs.job import Job, State
from ..jobs.snapshot import Snapshot
from .engine import open_engine, reachable
from .migrate import migrate
from .rows import build_row
from .search import build_conditions, find_ids
from .tables import deployment, jobs, ledger

ID_NAME = "id"
PAGE = 500
# By an expression, so that SQLite counts in the index that has all columns.
STATE: sa.ColumnClause[str] = sa.literal_column("jobs.state || ''", sa.Text)
Entry = tuple[str, str, str]
"""The id of an entry of the ledger, that of its job, and the entry as JSON."""


def open_archive(url: str) -> Archive:
    """Return the archive at a URL, with its tables up to date.

    Raises ConfigError or ArchiveUnavailableError.
    """
    engine = open_engine(url)
    try:
        with reachable():
            migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    # A forked process opens connections of its own.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return Archive(engine)


class Archive:
    """Jobs as SQL rows, by their ids; every method raises ArchiveUnavailableError."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writes=True)
        # Both have the same methods for conflicts, and no base class that has them.
        dialects: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
        self._insert = dialects[engine.dialect.name]
        self.url = engine.url.render_as_string(hide_password=True)

    def put(self, snapshots: Sequence[Snapshot]) -> set[str]:
        """Write jobs durably, and return the ids of those that have nothing to add to their row.

        Another row is of a later reading: then Redis has changed since this one. A job that has
        succeeded stays as it is: no other version of it is newer, unless Redis has gone back.
        """
        if not snapshots:
            return set()
        insert = self._insert(jobs)
        others = {c.name: insert.excluded[c.name] for c in jobs.c if c.name not in ("number", "id")}
        is_newer = jobs.c.read_at <= insert.excluded.read_at
        goes_back = (jobs.c.state == State.SUCCEEDED) & (insert.excluded.state != State.SUCCEEDED)
        upsert = insert.on_conflict_do_update(
            index_elements=["id"], set_=others, where=is_newer & ~goes_back
        )
        written = {each.job.id: each.job for each in snapshots}
        with reachable(), self._writer.begin() as connection:
            # In the same order everywhere: two that write the same jobs never wait for each other.
            ordered = sorted(snapshots, key=lambda each: each.job.id)
            connection.execute(upsert, [build_row(each) for each in ordered])
            columns = (jobs.c.id, jobs.c.revision, jobs.c.state)
            found = connection.execute(sa.select(*columns).where(jobs.c.id.in_(written))).all()
        return {
            job_id
            for job_id, revision, state in found
            if _has_all_of(revision, state, written[job_id])
        }

    def get_many(self, job_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the records of those of the jobs that are archived."""
        if not job_ids:
            return {}
        query = sa.select(jobs.c.id, jobs.c.record).where(jobs.c.id.in_(job_ids))
        return {job_id: record.encode() for job_id, record in self._read(query)}

    @contextmanager
    def restoring(self, job_id: str) -> Iterator[bytes | None]:
        """Yield the record of a job, and mark it as back in Redis at the end.

        Meanwhile no other process can archive or restore it. Yields None for an unknown job.
        """
        own = jobs.c.id == job_id
        with reachable(), self._writer.begin() as connection:
            query = sa.select(jobs.c.record).where(own).with_for_update()
            record = connection.execute(query).scalar()
            yield None if record is None else record.encode()
            connection.execute(sa.update(jobs).where(own).values(is_restored=True))

    def mark_restored(self, job_ids: Sequence[str]) -> None:
        """Note that jobs are in Redis, whatever was written here."""
        if job_ids:
            own = jobs.c.id.in_(job_ids)
            self._write(sa.update(jobs).where(own).values(is_restored=True))

    def find(
        self,
        chosen: JobConditions,
        states: set[State],
        since: datetime | None,
        limit: int,
        below: str | None = None,
        above: str | None = None,
    ) -> dict[str, bytes]:
        """Return the records of jobs by their ids, newest first, from below an id on.

        Oldest first, from above an id on, if that is given. A few of them may not match.
        """
        database = self.engine.dialect.name
        ids = find_ids(self._read_ids, chosen, states, since, limit, below, above, database)
        # Read apart, so that only small rows are sorted.
        records = self.get_many(ids)
        return {job_id: records[job_id] for job_id in ids if job_id in records}

    def count_by_state(
        self, chosen: JobConditions, since: datetime | None = None
    ) -> dict[State, int]:
        """Return how many jobs are archived in each state, of those in no other place."""
        conditions = build_conditions(chosen, set(State), since)
        query = (
            sa.select(STATE, sa.func.count())
            .select_from(jobs)
            .where(~jobs.c.is_restored, *conditions)
            .group_by(STATE)
        )
        known = {state.value: state for state in State}
        return {known[state]: n for state, n in self._read(query) if state in known}

    def find_made(self, fingerprints: Sequence[str]) -> dict[str, str]:
        """Return the id of the latest job that has succeeded with each fingerprint."""
        query = (
            sa.select(jobs.c.fingerprint, sa.func.max(jobs.c.id))
            .where(jobs.c.fingerprint.in_(fingerprints), jobs.c.state == State.SUCCEEDED)
            .group_by(jobs.c.fingerprint)
        )
        return dict(self._read(query)) if fingerprints else {}

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Write entries of the ledger durably; those that are there stay as they are."""
        if entries:
            rows = [dict(zip(("id", "job", "entry"), each, strict=True)) for each in entries]
            with reachable(), self._writer.begin() as connection:
                connection.execute(self._insert(ledger).on_conflict_do_nothing(), rows)

    def iter_entries(self, below: str | None = None) -> Iterator[Entry]:
        """Yield the entries of the ledger, newest first, from below an id on."""
        while True:
            query = sa.select(ledger).order_by(ledger.c.id.desc()).limit(PAGE)
            found = self._read(query.where(ledger.c.id < below) if below else query)
            yield from found
            if len(found) < PAGE:
                return
            below = found[-1][0]

    def read_id(self) -> str:
        """Return the id of this archive; empty before it has one."""
        query = sa.select(deployment.c.value).where(deployment.c.name == ID_NAME)
        found = self._read(query)
        return found[0][0] if found else ""

    def write_id(self, new: str) -> None:
        """Replace the id."""
        insert = self._insert(deployment).values(name=ID_NAME, value=new)
        self._write(insert.on_conflict_do_update(index_elements=["name"], set_={"value": new}))

    def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        self.engine.dispose()

    def _read_ids(self, query: sa.Select[Any]) -> list[str]:
        return [job_id for (job_id,) in self._read(query)]

    def _read(self, query: Any) -> Sequence[Any]:
        with reachable(), self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def _write(self, statement: Any, parameters: Mapping[str, Any] | None = None) -> None:
        with reachable(), self._writer.begin() as connection:
            connection.execute(statement, parameters)


def _has_all_of(revision: str, state: str, job: Job) -> bool:
    """Return whether a row is this version of a job, or the success that this one came before."""
    has_succeeded = state == State.SUCCEEDED and job.state is not State.SUCCEEDED
    return revision == job.revision or has_succeeded
