"""Fixtures of the tests of the HTTP client: an API on a real port, and both clients."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagequeue import Client
from imagequeue.config.settings import Settings
from imagequeue.producer.api import access
from support.asgi import serving_apis
from support.flaky import Flaky, flaky


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the tests of one file."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def overrides(overrides: dict[str, str], folder: Path) -> dict[str, str]:
    return {**overrides, "data_dir": str(folder)}


@pytest.fixture(scope="module")
def served_apis() -> Iterator[Callable[[Settings], str]]:
    with serving_apis() as serve:
        yield serve


@pytest.fixture
def api(
    served_apis: Callable[[Settings], str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.setattr(access, "CACHED_S", 0)  # no test has the keys of another one
    return served_apis(settings)


@pytest.fixture
def client(api: str) -> Iterator[Client]:
    with Client(api) as made:
        yield made


@pytest.fixture
def before(api: str) -> Iterator[Flaky]:
    """A server before the API, which does to requests what the test says."""
    with flaky(api) as server:
        yield server
