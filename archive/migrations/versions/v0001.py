"""Jobs with their full text, the ledger, and the id of the archive."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision, down_revision = "0001", None

# Lists are in the order of ids, whatever they are filtered by.
INDEXED = ("state", "reason", "provider", "model", "caller", "batch")

FULL_TEXT = (
    """CREATE VIRTUAL TABLE jobs_text USING fts5(
        prompt, metadata, content='jobs', content_rowid='number', tokenize='unicode61')""",
    """CREATE TRIGGER jobs_text_insert AFTER INSERT ON jobs BEGIN
        INSERT INTO jobs_text(rowid, prompt, metadata)
        VALUES (new.number, new.prompt, new.metadata); END""",
    """CREATE TRIGGER jobs_text_update AFTER UPDATE OF prompt, metadata ON jobs
        WHEN old.prompt <> new.prompt OR old.metadata <> new.metadata BEGIN
        INSERT INTO jobs_text(jobs_text, rowid, prompt, metadata)
        VALUES ('delete', old.number, old.prompt, old.metadata);
        INSERT INTO jobs_text(rowid, prompt, metadata)
        VALUES (new.number, new.prompt, new.metadata); END""",
    """CREATE TRIGGER jobs_text_delete AFTER DELETE ON jobs BEGIN
        INSERT INTO jobs_text(jobs_text, rowid, prompt, metadata)
        VALUES ('delete', old.number, old.prompt, old.metadata); END""",
)


def upgrade() -> None:
    """Create everything."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    number = sa.Integer() if is_sqlite else sa.BigInteger()
    # Ids are compared byte by byte, as Redis does it.
    id_type = sa.Text() if is_sqlite else sa.Text(collation="C")
    op.create_table(
        "jobs",
        sa.Column("number", number, primary_key=True),
        sa.Column("id", id_type, nullable=False),
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
        sa.Column("metadata", sa.JSON() if is_sqlite else JSONB(), nullable=False),
        sa.Column("fingerprint", sa.Text),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.Column("is_restored", sa.Boolean, nullable=False),
    )
    op.create_index("jobs_id", "jobs", ["id"], unique=True)
    for name in INDEXED:
        op.create_index(f"jobs_{name}", "jobs", [name, "id"])
    op.create_index("jobs_fingerprint", "jobs", ["fingerprint"])
    op.create_index("jobs_cost", "jobs", ["cost_usd"])
    # All that a count needs, so that no row is read.
    op.create_index("jobs_counts", "jobs", ["caller", "provider", "state", "is_restored"])
    if is_sqlite:
        for statement in FULL_TEXT:
            op.execute(statement)
    else:
        # Stored, as a search of a frequent word reads it in row after row.
        op.execute(
            "ALTER TABLE jobs ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('simple', "
            "regexp_replace(prompt || ' ' || metadata::text, '[^[:alnum:]]+', ' ', 'g'))) STORED"
        )
        op.execute("CREATE INDEX jobs_text ON jobs USING gin (words)")
        op.execute("CREATE INDEX jobs_metadata ON jobs USING gin (metadata jsonb_path_ops)")
    op.create_table(
        "ledger",
        sa.Column("id", id_type, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
    )
    op.create_index("ledger_job", "ledger", ["job"])
    op.create_table(
        "deployment",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text),
    )
