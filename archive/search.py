"""Queries for the ids of jobs: they select all matching jobs, and few others.

A list goes by an index in its order. The indexes of words, metadata and costs have no order: all
rows that match are read and sorted. So what is frequent is looked for in one row after the other,
from the newest on, and only what is rare in an index. A few rows tell which of the two it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from ..jobs.filter import JobConditions
from ..jobs.ids import first_job_id, is_job_id
from ..jobs.job import State
from .tables import jobs

# If one of these rows matches, the next number of rows is likely to fill a page of 50.
SAMPLE = 500
NEWEST = 25_000
# The same as the tokens of both databases: letters and digits.
_TOKEN = re.compile(r"[^\W_]+")

Conditions = list[ColumnElement[bool]]
Columns = ReadOnlyColumnCollection[str, Any]


def find_ids(
    read: Callable[[sa.Select[Any]], list[str]],
    chosen: JobConditions,
    states: set[State],
    since: datetime | None,
    limit: int,
    below: str | None,
    above: str | None,
    database: str,
) -> list[str]:
    """Return ids as `Archive.find` does, whose queries `read` runs."""
    order = sa.asc if above else sa.desc
    searched = _list_searched(chosen, database)
    rows = sa.select(jobs.c.id, *searched)
    if below:
        rows = rows.where(jobs.c.id < below)
    if above:
        rows = rows.where(jobs.c.id > above)
    listed = rows.where(*build_conditions(chosen, states, since)).order_by(order(jobs.c.id))
    if not searched:
        return read(listed.limit(limit))
    for newest in (SAMPLE, NEWEST):
        looked_at = listed.limit(newest).subquery().c
        matching = sa.select(looked_at.id).where(*_match(chosen, looked_at, database))
        ids = read(matching.order_by(order(looked_at.id)).limit(limit))
        if len(ids) == limit:
            return ids
        if not ids:
            break
    sought = rows.where(*build_conditions(chosen, states, since, is_sought=True)).subquery().c
    matching = sa.select(sought.id).where(*_match(chosen, sought, database))
    # By an expression, so that no index in this order is used.
    return read(matching.order_by(order(sought.id.concat(""))).limit(limit))


def build_conditions(
    chosen: JobConditions,
    states: set[State],
    since: datetime | None,
    *,
    is_sought: bool = False,
) -> Conditions:
    """Return what rows have to fulfil that lists have indexes for, on both databases."""
    fields = jobs.c
    wanted = {
        fields.provider: chosen.provider,
        fields.model: chosen.model,
        fields.caller: chosen.caller,
        fields.batch: chosen.batch,
        fields.reason: chosen.reason,
    }
    conditions: Conditions = [
        column == value if "\0" not in value else sa.false()
        for column, value in wanted.items()
        if value is not None
    ]
    # A state selects too many rows to go by, where there is something rarer.
    state = fields.state.concat("") if is_sought else fields.state
    if len(states) == 1:
        conditions.append(state == next(iter(states)))
    elif states != set(State):
        conditions.append(state.in_(sorted(states)))
    if since:
        conditions.append(fields.id >= first_job_id(since))
    if until := chosen.until:
        conditions.append(fields.id < first_job_id(until))
    return conditions


def _list_searched(chosen: JobConditions, database: str) -> list[ColumnElement[Any]]:
    """Return the columns that `_match` reads, beside the id; none for a list."""
    columns: list[ColumnElement[Any]] = []
    if chosen.words or chosen.metadata:
        # The full text: on PostgreSQL a column, on SQLite a table of its own.
        columns += (
            [jobs.c.number] if database == "sqlite" else [sa.column("words"), jobs.c.metadata]
        )
    if chosen.min_usd is not None or chosen.max_usd is not None:
        columns.append(jobs.c.cost_usd)
    return columns


def _match(chosen: JobConditions, row: Columns, database: str) -> Conditions:
    """Return what the words, the metadata and the cost of a row have to fulfil."""
    conditions = (_match_sqlite if database == "sqlite" else _match_postgres)(chosen, row)
    if chosen.min_usd is not None:
        conditions.append(row.cost_usd >= chosen.min_usd)
    if chosen.max_usd is not None:
        conditions.append(row.cost_usd <= chosen.max_usd)
    return conditions


def _match_postgres(chosen: JobConditions, row: Columns) -> Conditions:
    conditions: Conditions = []
    if chosen.words:
        tokens = " & ".join(f"{token}:*" for token in _TOKEN.findall(chosen.words))
        query = sa.func.to_tsquery("simple", tokens)
        conditions.append(_or_id(row.words.bool_op("@@")(query), chosen.words, row))
    for name, value in chosen.metadata.items():
        given: list[object] = [value]
        with suppress(ValueError):
            given.append(json.loads(value))
        contains = row.metadata.op("@>", return_type=sa.Boolean())
        # Rows are without the character that this database cannot store.
        is_possible = "\0" not in name + value
        conditions.append(
            sa.or_(*(contains(sa.cast({name: each}, JSONB)) for each in given))
            if is_possible
            else sa.false()
        )
    return conditions


def _match_sqlite(chosen: JobConditions, row: Columns) -> Conditions:
    tokens = [f'"{token}"*' for token in _TOKEN.findall(chosen.words or "")]
    phrases = (" ".join(_TOKEN.findall(f"{n} {v}")) for n, v in chosen.metadata.items())
    query = " ".join([*tokens, *(f'metadata : "{phrase}"' for phrase in phrases if phrase)])
    if not query:
        return [sa.false()] if chosen.words else []
    texts = sa.text("SELECT rowid FROM jobs_text WHERE jobs_text MATCH :query")
    found = row.number.in_(texts.bindparams(query=query))
    return [_or_id(found, chosen.words, row)]


def _or_id(found: ColumnElement[bool], words: str | None, row: Columns) -> ColumnElement[bool]:
    """Return the condition, which the id of a job in place of words fulfils, too."""
    return sa.or_(found, row.id == words) if words and is_job_id(words) else found
