"""Conditions as SQL: they select all matching jobs, and few others."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import ColumnElement

from ..jobs.filter import JobConditions
from ..jobs.ids import first_job_id
from ..jobs.job import State
from .tables import jobs

# The same as the tokens of both databases: letters and digits.
_TOKEN = re.compile(r"[^\W_]+")


def build_conditions(
    chosen: JobConditions, states: set[State], since: datetime | None, dialect: str
) -> list[ColumnElement[bool]]:
    """Return what rows have to fulfil; jobs in a state or with a reason are among them."""
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
    if len(states) == 1:
        conditions.append(fields.state == next(iter(states)))
    elif states != set(State):
        conditions.append(fields.state.in_(sorted(states)))
    if since:
        conditions.append(fields.id >= first_job_id(since))
    if until := chosen.until:
        conditions.append(fields.id < first_job_id(until))
    if chosen.min_usd is not None:
        conditions.append(fields.cost_usd >= chosen.min_usd)
    if chosen.max_usd is not None:
        conditions.append(fields.cost_usd <= chosen.max_usd)
    if chosen.words:
        text = _match_words(chosen.words, dialect)
        conditions.append(sa.or_(text, fields.id == chosen.words.strip()))
    conditions += [_match_metadata(*each, dialect) for each in chosen.metadata.items()]
    return conditions


def _match_words(words: str, dialect: str) -> ColumnElement[bool]:
    """Return whether words of the prompt or the metadata begin with each of these."""
    tokens = _TOKEN.findall(words)
    if not tokens:
        return sa.false()
    if dialect == "sqlite":
        return _match_text(" ".join(f'"{token}"*' for token in tokens))
    # Written as the index has it: another expression would not use it.
    vector = sa.text(
        "to_tsvector('simple', "
        "regexp_replace(prompt || ' ' || metadata::text, '[^[:alnum:]]+', ' ', 'g'))"
    )
    query = sa.func.to_tsquery("simple", " & ".join(f"{token}:*" for token in tokens))
    return sa.literal_column(str(vector)).bool_op("@@")(query)


def _match_metadata(name: str, value: str, dialect: str) -> ColumnElement[bool]:
    """Return whether the metadata has a value under a name, given as text."""
    if "\0" in name + value:
        return sa.false()  # rows are without it
    if dialect == "sqlite":
        phrase = " ".join(_TOKEN.findall(f"{name} {value}"))
        return _match_text(f'metadata : "{phrase}"') if phrase else sa.true()
    given: list[object] = [value]
    with suppress(ValueError):
        given.append(json.loads(value))
    return sa.or_(
        *(
            jobs.c.metadata.op("@>", return_type=sa.Boolean())(sa.cast({name: each}, JSONB))
            for each in given
        )
    )


def _match_text(query: str) -> ColumnElement[bool]:
    found = sa.text("SELECT rowid FROM jobs_text WHERE jobs_text MATCH :query").bindparams(
        sa.bindparam("query", query, unique=True)
    )
    return jobs.c.number.in_(found.columns(sa.column("rowid", sa.Integer)))
