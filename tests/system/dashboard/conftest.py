"""A dashboard, and tabs of a real browser to open it in."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from imagequeue.config.settings import Settings
from support.asgi import serving_apis
from support.chromium import chromium, tab
from support.dashboard_browser import Tab

# Generous for a busy machine; on an idle one everything appears at once.
expect.set_options(timeout=30_000)


# Of a module: a browser's event loop, and an API that reads Redis, would disturb later tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of these tests: those with equal settings share an API."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def overrides(overrides: dict[str, str], folder: Path, sandbox_url: str) -> dict[str, str]:
    return {
        **overrides,
        "data_dir": str(folder),
        "kie_base_url": sandbox_url,
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
    }


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Settings], str]]:
    with serving_apis() as serve:
        yield serve


@pytest.fixture
def site(serve: Callable[[Settings], str], settings: Settings) -> str:
    return serve(settings)


@pytest.fixture
def new_tab(browser: Browser) -> Tab:
    return partial(tab, browser)
