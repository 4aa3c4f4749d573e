"""Fixtures: each test runs with an archive in SQLite, and again with one in PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.postgres import create_database
from imagequeue.archive.archive import Archive
from imagequeue.worker.archive import Archiver
from imagequeue.worker.context import Context
from support import postgres
from support.stub import Stub


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    with postgres.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def archive_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/archive.sqlite"
        return
    yield create_database(request.getfixturevalue("postgres_server"), "archive")


@pytest.fixture
def overrides(overrides: dict[str, str], archive_url: str, stub: Stub) -> dict[str, str]:
    own = {"archive_url": archive_url, "kie_base_url": stub.url}
    return {**overrides, **own, "public_url": "http://callbacks.example"}


@pytest.fixture
def archive(ctx: Context) -> Iterator[Archive]:
    opened = ctx.open_archive()
    assert opened
    yield opened
    opened.close()


@pytest.fixture
def move(ctx: Context, archive: Archive) -> Callable[[], None]:
    """Let the time in Redis of everything finished end, and move it."""

    def move_all() -> None:
        ctx.now.advance(ctx.settings.finished_s + 1)  # type: ignore[attr-defined]
        Archiver(ctx).move()

    return move_all
