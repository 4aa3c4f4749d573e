"""The tables as queries name them; the migrations make them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("number", Number, primary_key=True),  # the full text refers to it
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("batch", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("cost_usd", sa.Double),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("metadata", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    sa.Column("fingerprint", sa.Text),
    # The job as Redis had it, and when that was read by Redis's clock, in microseconds.
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("read_at", sa.BigInteger, nullable=False),
    # The job is in Redis again: this row is what it was before.
    sa.Column("is_restored", sa.Boolean, nullable=False),
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("entry", sa.Text, nullable=False),
)

deployment = sa.Table(
    "deployment",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text),
)
