"""A PostgreSQL for the tests that need one; a laptop without it skips them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.postgres import find_binary, run_postgres
from support.redis import find_memory_folder

# Nothing is to survive the tests.
QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB")


@contextmanager
def running() -> Iterator[Path]:
    """Run a server, and yield the folder of its socket."""
    if not find_binary("postgres"):
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("PostgreSQL is not installed")
    with run_postgres(*QUICK, folder=find_memory_folder()) as root:
        yield root
