"""Browser access to the HTTP API: the key in a cookie, and cross-site requests."""

from http.cookies import SimpleCookie

import pytest
import requests
from fastapi.responses import Response

from imagequeue.config.settings import read_settings
from imagequeue.producer.api import browser
from imagequeue.producer.api.access import LOCAL, Caller
from imagequeue.producer.api.application import create_app
from support.access import opened, request, status_of
from support.asgi import serving

REQUEST = {"provider": "acedata-flux", "prompt": "a cat"}


@pytest.mark.parametrize("secure", [True, False])
def test_cookie_is_httponly_and_same_site(secure: bool) -> None:
    response = Response()
    browser.login(response, "a key; ключ", secure=secure, max_age_s=60)
    (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
    attributes = (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["path"])
    assert attributes == (True, "strict", True if secure else "", "/")
    assert (
        browser.read_cookie(request(cookie=f"{cookie.key}={cookie.coded_value}")) == "a key; ключ"
    )
    response = Response()
    browser.logout(response)
    (gone,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert (gone.key, gone.value, gone["max-age"]) == (browser.COOKIE, "", "0")


COOKIE = {"cookie": f"{browser.COOKIE}=key"}


HOME = "http://localhost:8000"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("GET", {"sec_fetch_site": "none"}, 200),
        ("POST", {}, 403),
        ("POST", {"sec_fetch_site": "same-origin"}, 200),
        ("POST", {"sec_fetch_site": "same-site", "origin": HOME}, 403),
        ("POST", {"sec_fetch_site": "cross-site"}, 403),
        ("POST", {"sec_fetch_site": "none"}, 403),
        ("POST", {"origin": HOME}, 200),
        ("POST", {"origin": "http://localhost:3000"}, 403),
        ("POST", {"origin": "https://evil.example"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("POST", {"origin": "http://[", "host": ""}, 403),
        ("DELETE", {"origin": "https://evil.example"}, 403),
    ],
)
def test_cross_site_request_with_cookie_is_refused(
    overrides: dict[str, str], method: str, headers: dict[str, str], status: int
) -> None:
    known = opened(overrides, "key")
    assert status_of(known, request(method, **COOKIE, **headers)) == status
    # Without keys this machine has access; the requests of its browsers are checked the same way.
    expected = 200 if headers == {} else status
    if "host" not in headers:
        assert status_of(opened(overrides), request(method, **headers)) == expected


def test_header_takes_precedence_over_cookie(overrides: dict[str, str]) -> None:
    cookies = {browser.COOKIE: "key"}
    with serving(create_app(read_settings(**overrides, api_keys="key"))) as url:
        jobs = f"{url}/v1/jobs"
        assert requests.get(jobs, cookies=cookies, timeout=30).ok
        assert requests.get(jobs, cookies={browser.COOKIE: "no"}, timeout=30).status_code == 401
        wrong = {"Authorization": "Bearer no"}
        assert requests.get(jobs, cookies=cookies, headers=wrong, timeout=30).status_code == 401
        elsewhere = {"Origin": "https://evil.example"}
        for headers, status in [
            ({"Origin": url}, 202),
            (elsewhere, 403),
            # A request with the key itself may come from any site.
            ({**elsewhere, "Authorization": "Bearer key"}, 202),
        ]:
            answer = requests.post(jobs, json=REQUEST, cookies=cookies, headers=headers, timeout=30)
            assert answer.status_code == status


def test_caller_of_a_request_without_header(overrides: dict[str, str]) -> None:
    known = opened(overrides, "shop:key")
    assert known.caller_or_none(request()) is None
    assert known.caller_or_none(request(**COOKIE)) == Caller(
        "shop", is_admin=True, max_priority="high"
    )
    assert opened(overrides).caller_or_none(request()) == LOCAL
