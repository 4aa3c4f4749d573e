"""Fixtures of the tests of the HTTP API and the dashboard."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api import access
from imagequeue.producer.api.browser import COOKIE
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from support.asgi import Serve, serving_apis
from support.callers import Ask


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the tests of one file."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def overrides(overrides: dict[str, str], folder: Path) -> dict[str, str]:
    return {**overrides, "data_dir": str(folder)}


@pytest.fixture(scope="module")
def served_apis() -> Iterator[Callable[..., str]]:
    with serving_apis() as serve:
        yield serve


@pytest.fixture
def serve(
    served_apis: Callable[..., str],
    overrides: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Serve:
    # No test has the keys of another one.
    monkeypatch.setattr(access, "CACHED_S", 0)

    def serve_one(uvicorn: dict[str, Any] | None = None, **changed: str) -> str:
        return served_apis(read_settings(**{**overrides, **changed}), **(uvicorn or {}))

    return serve_one


@pytest.fixture
def site(serve: Serve) -> str:
    """The address of a running API and dashboard."""
    return serve()


@pytest.fixture
def keys(settings: Settings) -> Iterator[ApiKeys]:
    with connect(settings) as client:
        yield ApiKeys(client)


@pytest.fixture
def ask(site: str, keys: ApiKeys) -> Ask:
    """Sends a request with the key of a name; `admin` is an admin key, `wall` a read-only one."""
    secrets = {name: keys.add(name, Limits(), utc_now()) for name in ("shop", "other")}
    secrets["admin"] = keys.add("admin", Limits(), utc_now(), is_admin=True)
    secrets["reader"] = keys.add("reader", Limits(), utc_now(), is_read_only=True)
    secrets["wall"] = keys.add("wall", Limits(), utc_now(), is_admin=True, is_read_only=True)
    secrets["limited"] = keys.add("limited", Limits(per_minute=2), utc_now())

    def send(name: str, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {secrets[name]}"}
        if options.pop("page", False):
            headers = {"Cookie": f"{COOKIE}={secrets[name]}", "Origin": site}
        headers |= options.pop("headers", {})
        options = {"timeout": 30, "allow_redirects": False, **options}
        return requests.request(method, site + path, headers=headers, **options)

    return send
