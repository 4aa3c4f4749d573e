"""Bring the tables of an archive up to date, once, whoever starts first."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from ..errors import ConfigError

LATEST = "0001"
"""The revision that this version needs; the last file in `migrations/versions`."""
# Of all processes that migrate; any number will do that nobody else locks.
LOCK = 0x1347_0001
FOLDER = Path(__file__).with_name("migrations")


def migrate(engine: sa.Engine) -> None:
    """Create or upgrade the tables; raises ConfigError for those of a newer version."""
    with engine.connect() as connection:
        if _read_revision(connection) == LATEST:
            return
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        current = _read_revision(connection)
        if current > LATEST:
            raise ConfigError(
                f"the archive has tables of a newer version ({current}): update this process"
            )
        if current < LATEST:
            _upgrade(connection)


def _read_revision(connection: sa.Connection) -> str:
    """Return the revision of the tables; "" without any."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or ""


def _upgrade(connection: sa.Connection) -> None:
    # Imported late: only the first start of a version needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
