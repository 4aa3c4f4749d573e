"""A dashboard, and tabs of a real browser to open it in; the tests of this folder share both."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, Page, expect

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api import access
from imagequeue.worker.context import Context
from support.asgi import serving_apis
from support.chromium import chromium, tab
from support.dashboard_browser import DESKTOP, PHONE, Tab

# Generous for a busy machine; on an idle one everything appears at once.
expect.set_options(timeout=30_000)


# Of the folder: a browser's event loop, and an API that reads Redis, would disturb other tests.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of these tests: those with equal settings share an API."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def overrides(overrides: dict[str, str], folder: Path, sandbox_url: str) -> dict[str, str]:
    return {
        **overrides,
        "data_dir": str(folder),
        "kie_base_url": sandbox_url,
        "kie_upload_url": sandbox_url,
        # One job stands before another.
        "kie_rate_limit": "1/10",
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "webhook_secret": "whsec_" + "a" * 32,
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
    }


@pytest.fixture(scope="package")
def serve() -> Iterator[Callable[[Settings], str]]:
    with serving_apis() as serve:
        yield serve


@pytest.fixture
def site(
    serve: Callable[[Settings], str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> str:
    # No test has the keys of another one.
    monkeypatch.setattr(access, "CACHED_S", 0)
    return serve(settings)


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as one:
        yield one


@pytest.fixture
def ctx(ctx: Context) -> Context:
    """Jobs of today, as the pages of operations and costs show them."""
    ctx.now.time = utc_now()  # type: ignore[attr-defined]
    return ctx


@pytest.fixture
def new_tab(browser: Browser) -> Tab:
    return partial(tab, browser)


@pytest.fixture
def page(new_tab: Tab) -> Iterator[Page]:
    """A tab on a desktop, to begin with."""
    with new_tab(**DESKTOP) as one:
        yield one


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def screen(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a tab on a screen."""
    return dict(request.param)
