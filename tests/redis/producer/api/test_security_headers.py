"""Every response of the API, the dashboard and the receiver has the headers for browsers."""

import pytest
import requests

from imagequeue.config.settings import Settings
from imagequeue.producer.api import application
from imagequeue.producer.dashboard.assets import asset_url
from imagequeue.worker.receiver.application import create_app as create_receiver
from support.asgi import Serve, serving

PATHS = [
    *("/", "/docs", "/openapi.json", "/healthz", "/metrics", "/login", "/favicon.ico", "/none"),
    *("/v1/jobs", "/v1/jobs/none", "/v1/jobs?limit=x", "/jobs/none", "/static/0/none"),
    *(asset_url("swagger-ui.css"), asset_url("live.js"), "/redoc", "/docs/oauth2-redirect"),
]


def require_headers(url: str, method: str = "GET") -> requests.Response:
    answer = requests.request(method, url, timeout=30, allow_redirects=False)
    assert answer.headers["X-Content-Type-Options"] == "nosniff", url
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy, url
    assert "default-src 'none'" in policy or "script-src 'self';" in policy, url
    assert "unsafe" not in policy
    return answer


def test_api_and_dashboard(site: str) -> None:
    for path in PATHS:
        require_headers(site + path)
    for path in ("/v1/jobs", "/jobs/none/cancel", "/login"):
        require_headers(site + path, "POST")
    require_headers(f"{site}/v1/jobs", "DELETE")


def test_response_to_an_unexpected_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(application.LocalClient, "list", fail)
    with serving(application.create_app(settings)) as site:
        assert require_headers(f"{site}/v1/jobs").status_code == 500


def test_receiver(settings: Settings) -> None:
    with serving(create_receiver(settings)) as url:
        for path in ("/healthz", "/readyz", "/none", "/callbacks/kie-flux-kontext/none/none"):
            require_headers(url + path)
            require_headers(url + path, "POST")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_documentation_needs_a_key(serve: Serve, path: str) -> None:
    site = serve(api_keys="key-one")
    assert requests.get(site + path, timeout=30).status_code == 401
    cookies = {"imagequeue_key": "key-one"}
    assert requests.get(site + path, cookies=cookies, timeout=30).ok
