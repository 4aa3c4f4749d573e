"""A PostgreSQL of its own in a folder, on a socket, run by a user without rights."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.system import wait_until

USER = "imagequeue"
# It refuses to run as root.
UNPRIVILEGED = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def find_binary(name: str) -> str | None:
    """Return the path of a program of PostgreSQL; Debian has it outside of the PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(newest[-1]) if newest else shutil.which(name)


@contextmanager
def run_postgres(*options: str, folder: Path | None = None) -> Iterator[Path]:
    """Run a server with options such as `fsync=off`, and yield the folder of its socket."""
    server, initdb = find_binary("postgres"), find_binary("initdb")
    if not (server and initdb):
        raise FileNotFoundError("PostgreSQL is not installed")
    as_user = UNPRIVILEGED if os.geteuid() == 0 else []
    # The path of a socket is short, and other users can reach the folder.
    with tempfile.TemporaryDirectory(prefix="iq-pg-", dir=folder or "/tmp") as root:
        if as_user:
            shutil.chown(root, "nobody")
        data = str(Path(root) / "data")
        make = [initdb, "-D", data, "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*as_user, *make, "--no-sync"], check=True, stdout=subprocess.DEVNULL)
        command = [*as_user, server, "-D", data, "-k", root, "-c", "listen_addresses="]
        command += [part for each in options for part in ("-c", each)]
        with subprocess.Popen(
            command, cwd=root, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            try:
                wait_until(lambda: _answers(root))
                yield Path(root)
            finally:
                process.send_signal(signal.SIGINT)  # it ends its sessions, too


def create_database(root: Path, name: str) -> str:
    """Create an empty database in place of the one of this name, and return its URL."""
    with _connect(str(root)) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql+psycopg://{USER}@/{name}?host={root}"


def _answers(root: str) -> bool:
    try:
        _connect(root).close()
    except psycopg.OperationalError:
        return False
    return True


def _connect(root: str) -> psycopg.Connection:
    return psycopg.connect(host=root, user=USER, dbname="postgres", autocommit=True)
