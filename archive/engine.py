"""Connections to the archive, whose errors name the setting and never quote a row."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ..errors import ArchiveUnavailableError, ConfigError

BUSY_TIMEOUT_S = 20
BUSY_PAUSE_S = 0.02
CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse.sshfs", "9p", "ceph", "glusterfs", "lustre")
SETTING = "IMAGEQUEUE_ARCHIVE_URL"

# The full text is that of the JSON: escapes would hide what is not ASCII.
dump_json = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))


def open_engine(url: str) -> sa.Engine:
    """Return an engine for the URL of an archive; raises ConfigError."""
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed)
        options = f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000} -c timezone=UTC"
        return sa.create_engine(
            parsed,
            hide_parameters=True,
            json_serializer=dump_json,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": options},
        )
    except ModuleNotFoundError:
        raise ConfigError(
            f"{SETTING} needs the driver of PostgreSQL: install `imagequeue[postgresql]`"
        ) from None
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(f"{SETTING}: {type(error).__name__}") from None


@contextmanager
def reachable() -> Iterator[None]:
    """Turn errors of the database into ArchiveUnavailableError, without a word of its rows."""
    try:
        yield
    except DBAPIError as error:
        # The first line of a driver's message has the cause; further ones may quote a row.
        why = str(error.orig).strip().partition("\n")[0]
        raise ArchiveUnavailableError(
            f"the archive does not answer ({type(error).__name__}: {why}): check {SETTING}"
        ) from None


def _open_sqlite(url: sa.URL) -> sa.Engine:
    path = Path(url.database or "")
    if not path.is_absolute():
        raise ConfigError(f"{SETTING} must name an absolute path: sqlite:////folder/file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{SETTING}: cannot create {path.parent}: {error.strerror}") from None
    if kind := _find_network_file_system(path.parent):
        raise ConfigError(
            f"the archive {path} is on a network file system ({kind}), where several hosts would "
            f"damage it: set {SETTING} to a PostgreSQL, a file on a local disk, or `none`"
        )
    if not path.exists():
        # Prompts are nobody else's business.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        json_serializer=dump_json,
        connect_args={"timeout": BUSY_TIMEOUT_S},
    )
    sa.event.listen(engine, "connect", _set_up_connection)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_up_connection(connection: Any, _: object) -> None:
    # The driver would begin transactions by itself, and too late for what reads before it writes.
    connection.isolation_level = None
    _switch_to_wal(connection)
    for pragma in (
        "synchronous = FULL",  # Redis forgets a job as soon as it is committed here
        "cache_size = -32000",
        "mmap_size = 1073741824",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer go on beside each other, once for the file.

    For the connections that do it at the same time, SQLite does not wait by itself.
    """
    ends_at = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends_at:
                raise
        time.sleep(BUSY_PAUSE_S)


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _find_network_file_system(folder: Path) -> str:
    """Return the type of the file system of a folder if it is one of a network, else ""."""
    resolved = folder.resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    kind = next((mounts[each] for each in (resolved, *resolved.parents) if each in mounts), "")
    return kind if kind.startswith(NETWORK_FILE_SYSTEMS) else ""
