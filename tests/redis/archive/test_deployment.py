"""All processes use one archive, whose tables one of them makes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from imagequeue.archive import prepare_archive
from imagequeue.archive.archive import Archive, open_archive
from imagequeue.archive.engine import open_engine
from imagequeue.config.settings import read_settings
from imagequeue.errors import ArchiveUnavailableError, ConfigError
from imagequeue.producer.api.application import create_app
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.archive_check import check_archive
from imagequeue.store.deployment import agreement as deployment
from imagequeue.worker.archive import Archiver
from imagequeue.worker.context import Context
from support.cli import imagequeue


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "READ_TIMEOUT_S", 0.3)


def test_many_first_starts_make_the_tables_once(archive_url: str) -> None:
    def start(_: int) -> list[Any]:
        archive = open_archive(archive_url)
        entries = [*archive.iter_entries()]
        archive.close()
        return entries

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, range(6))) == [[]] * 6


def test_tables_of_a_newer_version_are_refused(archive_url: str) -> None:
    open_archive(archive_url).close()
    engine = open_engine(archive_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="newer version"):
        open_archive(archive_url)


def test_process_with_another_archive_or_none_is_refused(
    ctx: Context, archive: Archive, overrides: dict[str, str], tmp_path: Path
) -> None:
    Archiver(ctx).compare()
    check_archive(ctx.settings)
    others = (f"sqlite:///{tmp_path}/other.sqlite", "none")
    for other in others:
        settings = read_settings(**overrides | {"archive_url": other})
        with pytest.raises(ConfigError, match="IMAGEQUEUE_ARCHIVE_URL"):
            create_app(settings)
        with pytest.raises(Exception, match="not the archive of the processes"):
            check_archive(settings)
    ran = imagequeue("adopt", "--yes", settings=overrides | {"archive_url": others[1]})
    assert "the archive of all processes is none" in ran.out
    create_app(read_settings(**overrides | {"archive_url": others[1]}))


def test_command_elsewhere_makes_no_archive(overrides: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "archive.sqlite"
    settings = read_settings(**overrides | {"archive_url": f"sqlite:///{path}"})
    assert not LocalClient(settings).list().jobs
    assert not path.parent.exists()
    assert "first worker" in check_archive(settings)


def test_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://me:hunter22@/x?host={tmp_path}"
    with pytest.raises(ArchiveUnavailableError, match="IMAGEQUEUE_ARCHIVE_URL") as error:
        open_archive(url)
    assert "hunter22" not in str(error.value)


@pytest.mark.parametrize("url", ["sqlite:///file", "mysql://x/y", "postgres://x/y", "sqlite://"])
def test_url_of_no_archive_is_refused(url: str, overrides: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="IMAGEQUEUE_ARCHIVE_URL: must be sqlite:"):
        read_settings(**overrides | {"archive_url": url})


def test_archive_is_local_unless_images_are_elsewhere(
    overrides: dict[str, str], tmp_path: Path
) -> None:
    given = overrides | {"archive_url": "", "retention_s": ""}
    settings = read_settings(**given)
    assert settings.archive == f"sqlite:///{settings.data_dir.resolve()}/archive.sqlite"
    assert (settings.finished_s, settings.upload_s) == (86400, 30 * 86400)
    settings = read_settings(**given | {"storage_url": f"file://{tmp_path}/images"})
    assert (settings.archive, settings.finished_s) == ("", 30 * 86400)
    assert prepare_archive(settings)() is None
