"""Fixtures of the tests of the HTTP API and the dashboard."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.producer.api.browser import COOKIE
from imagequeue.store.api_keys import ApiKeys, Limits
from support.asgi import serving
from support.callers import Ask


@pytest.fixture
def site(settings: Settings) -> Iterator[str]:
    """The address of a running API and dashboard."""
    with serving(create_app(settings)) as url:
        yield url


@pytest.fixture
def keys(settings: Settings) -> Iterator[ApiKeys]:
    with connect(settings) as client:
        yield ApiKeys(client)


@pytest.fixture
def ask(settings: Settings, keys: ApiKeys) -> Iterator[Ask]:
    """Sends a request with the key of a name; `admin` is an admin key, `wall` a read-only one."""
    secrets = {name: keys.add(name, Limits(), utc_now()) for name in ("shop", "other")}
    secrets["admin"] = keys.add("admin", Limits(), utc_now(), is_admin=True)
    secrets["reader"] = keys.add("reader", Limits(), utc_now(), is_read_only=True)
    secrets["wall"] = keys.add("wall", Limits(), utc_now(), is_admin=True, is_read_only=True)
    secrets["limited"] = keys.add("limited", Limits(per_minute=2), utc_now())
    with serving(create_app(settings), timeout_graceful_shutdown=1) as url:

        def send(name: str, method: str, path: str, **options: Any) -> requests.Response:
            headers = {"Authorization": f"Bearer {secrets[name]}"}
            if options.pop("page", False):
                headers = {"Cookie": f"{COOKIE}={secrets[name]}", "Origin": url}
            headers |= options.pop("headers", {})
            options = {"timeout": 30, "allow_redirects": False, **options}
            return requests.request(method, url + path, headers=headers, **options)

        yield send
