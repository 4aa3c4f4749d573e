"""A PostgreSQL of its own in a folder, run by a user without rights; each test has a database."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from support.processes import eventually
from support.redis import find_memory_folder

USER = "imagequeue"
# It refuses to run as root.
UNPRIVILEGED = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=100")


def find_binary(name: str) -> str | None:
    """Return the path of a program of PostgreSQL; Debian has it outside of the PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(newest[-1]) if newest else shutil.which(name)


@contextmanager
def postgres(options: tuple[str, ...] = QUICK, folder: Path | None = None) -> Iterator[str]:
    """Run a server and yield the URL of its socket, without a database."""
    server, initdb = find_binary("postgres"), find_binary("initdb")
    if not (server and initdb):
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is missing: .ci/run installs it")
        pytest.skip("PostgreSQL is not installed")
    with TemporaryDirectory(prefix="iq-pg-", dir=folder or find_memory_folder()) as root:
        as_user = UNPRIVILEGED if os.geteuid() == 0 else []
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
                eventually(lambda: _answers(root))
                yield f"postgresql+psycopg://{USER}@/%s?host={root}"
            finally:
                process.send_signal(signal.SIGINT)  # it ends its sessions, too


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """Create an empty database, and yield its URL."""
    root = server.partition("host=")[2]
    with _connect(root) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    yield server % name


def _answers(root: str) -> bool:
    try:
        _connect(root).close()
    except psycopg.OperationalError:
        return False
    return True


def _connect(root: str) -> psycopg.Connection:
    return psycopg.connect(host=root, user=USER, dbname="postgres", autocommit=True)
