"""A dashboard, and tabs of a real browser to open it in."""

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, expect

from imagequeue.config.settings import Settings
from imagequeue.producer.api.application import create_app
from support.asgi import serving
from support.chromium import chromium, tab
from support.dashboard_browser import Tab

# Generous for a busy machine; on an idle one everything appears at once.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def overrides(overrides: dict[str, str], sandbox_url: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": sandbox_url,
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
    }


@pytest.fixture
def site(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as url:
        yield url


@pytest.fixture
def new_tab(browser: Browser) -> Tab:
    return partial(tab, browser)
