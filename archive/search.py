"""Conditions as SQL: they select all matching jobs, and few others."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import ColumnElement

from ..jobs.filter import JobConditions
from ..jobs.ids import first_job_id, is_job_id
from ..jobs.job import State
from .tables import jobs

# The same as the tokens of both databases: letters and digits.
_TOKEN = re.compile(r"[^\W_]+")


def build_conditions(
    chosen: JobConditions, states: set[State], since: datetime | None
) -> list[ColumnElement[bool]]:
    """Return what rows have to fulfil besides their text, on both databases."""
    fields = jobs.c
    wanted = {
        fields.provider: chosen.provider,
        fields.model: chosen.model,
        fields.caller: chosen.caller,
        fields.batch: chosen.batch,
        fields.reason: chosen.reason,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value if "\0" not in value else sa.false()
        for column, value in wanted.items()
        if value is not None
    ]
    has_costs = chosen.min_usd is not None or chosen.max_usd is not None
    # A state selects too many rows to go by, where there is something rarer.
    state = fields.state.concat("") if has_costs or chosen.words else fields.state
    if len(states) == 1:
        conditions.append(state == next(iter(states)))
    elif states != set(State):
        conditions.append(state.in_(sorted(states)))
    if since:
        conditions.append(fields.id >= first_job_id(since))
    if until := chosen.until:
        conditions.append(fields.id < first_job_id(until))
    if chosen.min_usd is not None:
        conditions.append(fields.cost_usd >= chosen.min_usd)
    if chosen.max_usd is not None:
        conditions.append(fields.cost_usd <= chosen.max_usd)
    return conditions


def build_order(chosen: JobConditions, database: str) -> ColumnElement[Any]:
    """Return the order of ids, newest first."""
    has_costs = chosen.min_usd is not None or chosen.max_usd is not None
    if has_costs and database == "sqlite":
        # Without statistics, it would read all rows in this order rather than the index of costs.
        return sa.literal_column("+jobs.id").desc()
    return jobs.c.id.desc()


def build_postgres_text(chosen: JobConditions) -> list[ColumnElement[bool]]:
    """Return what the words and the metadata of rows have to fulfil on PostgreSQL."""
    conditions: list[ColumnElement[bool]] = []
    if chosen.words:
        tokens = " & ".join(f"{token}:*" for token in _TOKEN.findall(chosen.words))
        query = sa.func.to_tsquery("simple", tokens)
        found = sa.literal_column("words").bool_op("@@")(query)
        conditions.append(sa.or_(found, jobs.c.id == chosen.words))
    for name, value in chosen.metadata.items():
        given: list[object] = [value]
        with suppress(ValueError):
            given.append(json.loads(value))
        contains = jobs.c.metadata.op("@>", return_type=sa.Boolean())
        # Rows are without the character that this database cannot store.
        is_possible = "\0" not in name + value
        conditions.append(
            sa.or_(*(contains(sa.cast({name: each}, JSONB)) for each in given))
            if is_possible
            else sa.false()
        )
    return conditions


def build_sqlite_query(chosen: JobConditions) -> str:
    """Return what SQLite's full text of a row has to match; empty for anything."""
    tokens = [f'"{token}"*' for token in _TOKEN.findall(chosen.words or "")]
    phrases = (" ".join(_TOKEN.findall(f"{n} {v}")) for n, v in chosen.metadata.items())
    return " ".join([*tokens, *(f'metadata : "{phrase}"' for phrase in phrases if phrase)])


def build_sqlite_text(
    chosen: JobConditions, query: str, *, is_frequent: bool
) -> list[ColumnElement[bool]]:
    """Return the condition that the text of rows matches, where many rows do or few."""
    if not query:
        return [sa.false()] if chosen.words else []
    text = "jobs.number IN (SELECT rowid FROM jobs_text WHERE jobs_text MATCH :query)"
    # With the sign, row after row of the list is looked up among them, until there are enough.
    condition: Any = sa.text("+" + text if is_frequent else text).bindparams(query=query)
    if chosen.words and is_job_id(chosen.words):
        condition = sa.or_(condition, jobs.c.id == chosen.words)
    return [condition]
