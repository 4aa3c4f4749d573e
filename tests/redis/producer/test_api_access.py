"""Who gets into the HTTP API, and the document that describes it."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
import redis
import requests
from fastapi import HTTPException, Request
from fastapi.responses import Response

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError, RedisUnavailableError
from imagequeue.jobs.job import Job, utc_now
from imagequeue.producer.api import access, browser
from imagequeue.producer.api.access import LOCAL, Access, Caller
from imagequeue.producer.api.application import create_app
from imagequeue.store.api_keys import ApiKeys, Limits
from support.asgi import serving

REQUEST = {"provider": "acedata-flux", "prompt": "a cat"}


def request(method: str = "GET", peer: str = "127.0.0.1", **headers: str) -> Request:
    """A request as an ASGI server hands it on; `sec_fetch_site` is the header Sec-Fetch-Site."""
    named = {"host": "localhost:8000", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": raw}
    return Request({**scope, "scheme": "http", "client": (peer, 50000)})


def status_of(access_to: Access, asked: Request) -> int:
    try:
        return 200 if access_to(asked) else 0
    except HTTPException as error:
        return error.status_code


@pytest.fixture
def keys(settings: Settings) -> Iterator[ApiKeys]:
    with connect(settings) as client:
        yield ApiKeys(client)


def opened(overrides: dict[str, str], api_keys: str = "") -> Access:
    settings = read_settings(**overrides, api_keys=api_keys)
    return Access(settings, connect(settings))


@pytest.mark.parametrize("given", ["", "Bearer nobody", "Basic key-one", "Bearer", "Bearer ké"])
def test_with_keys_nobody_gets_in_without_one(overrides: dict[str, str], given: str) -> None:
    with serving(create_app(read_settings(**overrides, api_keys="key-one, shop:key-two"))) as url:
        headers = {"Authorization": given.encode()} if given else {}
        answer = requests.get(f"{url}/v1/jobs", headers=headers, timeout=30)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer KEY" in answer.json()["detail"]
        for key in ("key-one", "key-two"):
            headers = {"Authorization": f"Bearer {key}"}
            assert requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).ok
        assert requests.get(f"{url}/healthz", timeout=30).json() == {"status": "ok"}


def test_a_key_of_the_environment_has_a_name(overrides: dict[str, str]) -> None:
    known = opened(overrides, "one, shop:two, three:with:colons, four")
    keys = ("one", "two", "with:colons", "four")
    assert [known.of_key(key) for key in keys] == [
        Caller(name) for name in ("env-1", "shop", "three", "env-4")
    ]
    assert [known.of_key(key) for key in ("", "shop", "shop:two", "One")] == [None] * 4


@pytest.mark.parametrize("entry", ["shop:", ":s3cret", "a shop:s3cret", "a/b:s3cret"])
def test_an_entry_that_could_be_misread_stops_the_start(
    overrides: dict[str, str], entry: str
) -> None:
    with pytest.raises(ConfigError, match="API_KEYS: entry 2 must be KEY or NAME:KEY") as refused:
        opened(overrides, f"fine,{entry}")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "headers",
    [
        # uvicorn believes a proxy on this machine, and a proxy may pass on what a stranger wrote.
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        # A name of a stranger's that leads here, for a page in a browser on this machine.
        {"Host": "rebound.example"},
        {"Host": "[::1"},
    ],
    ids=str,
)
def test_without_keys_only_this_machine_gets_in(
    settings: Settings, headers: dict[str, str]
) -> None:
    with serving(create_app(settings), forwarded_allow_ips="*") as url:
        answer = requests.get(f"{url}/v1/jobs", headers=headers, timeout=30)
        assert requests.get(f"{url}/v1/jobs", timeout=30).ok
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert "IMAGEQUEUE_API_KEYS" in answer.json()["detail"]
    assert "imagequeue keys add" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("peer", "host", "status"),
    [
        ("127.0.0.1", "localhost", 200),
        ("::1", "[::1]:8000", 200),
        ("203.0.113.9", "localhost", 403),
        ("10.0.0.7", "localhost", 403),
        ("::ffff:10.0.0.7", "localhost", 403),
        ("no address", "localhost", 403),
    ],
)
def test_this_machine_is_known_by_its_address(
    overrides: dict[str, str], peer: str, host: str, status: int
) -> None:
    assert status_of(opened(overrides), request(peer=peer, host=host)) == status


def test_whoever_sends_a_key_where_there_is_none_is_this_machine(
    overrides: dict[str, str], settings: Settings
) -> None:
    with serving(create_app(settings)) as url:
        headers = {"Authorization": "Bearer old"}
        assert requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).ok
    assert opened(overrides)(request()) == LOCAL


def test_a_key_of_redis_opens_until_it_is_removed(
    settings: Settings, keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "CACHED_S", 0)
    key = keys.add("shop", Limits(open_jobs=3), utc_now())
    headers = {"Authorization": f"Bearer {key}"}
    with serving(create_app(settings)) as url:
        assert requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).ok
        # This machine needs a key as well from now on.
        assert requests.get(f"{url}/v1/jobs", timeout=30).status_code == 401
        other = keys.add("other", Limits(), utc_now())
        keys.remove("shop")
        assert requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).status_code == 401
        headers = {"Authorization": f"Bearer {other}"}
        assert requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).ok


def test_keys_are_looked_up_once_in_a_while(
    overrides: dict[str, str], keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.add("shop", Limits(per_minute=7), utc_now())
    known = opened(overrides)
    monkeypatch.setattr(access, "CACHED_S", 1e9)
    assert known.of_key(key) == Caller("shop", Limits(per_minute=7))
    asked = _commands(keys)
    keys.remove("shop")
    assert [known.of_key(key) is None for _ in range(5)] == [False] * 5
    assert _commands(keys) - asked == 2  # the removal's own
    monkeypatch.setattr(access, "CACHED_S", 0)
    assert known.of_key(key) is None


def _commands(keys: ApiKeys) -> int:
    """How often a hash was read or written in Redis."""
    calls: dict[str, Any] = keys._redis.info("commandstats")
    return sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hgetall", "hdel"))


def test_while_redis_is_away_nobody_gets_in_on_what_was_known(
    overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = opened(overrides)
    assert known(request()) == LOCAL

    def away(*_: object) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(access, "CACHED_S", 0)
    monkeypatch.setattr(known._keys, "all", away)
    with pytest.raises(RedisUnavailableError):
        known(request())


def test_the_day_of_use_is_noted_once(overrides: dict[str, str], keys: ApiKeys) -> None:
    key = keys.add("shop", Limits(), utc_now())
    known = opened(overrides, "shop2:env")
    assert keys.list_uses()["shop"].last_used == ""
    known.of_key(key)
    assert keys.list_uses()["shop"].last_used == utc_now().date().isoformat()
    keys.record_use("shop", "2020-01-01")
    known.of_key(key)
    known.of_key("env")
    assert keys.list_uses()["shop"].last_used == "2020-01-01"


@pytest.mark.parametrize("secure", [True, False])
def test_a_browser_keeps_the_key_where_no_script_and_no_other_site_gets_it(secure: bool) -> None:
    response = Response()
    browser.login(response, "a key; ключ", secure=secure)
    (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
    attributes = (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["path"])
    assert attributes == (True, "strict", True if secure else "", "/")
    assert browser.key_of(request(cookie=f"{cookie.key}={cookie.coded_value}")) == "a key; ключ"
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
def test_a_cookie_changes_nothing_for_pages_of_other_sites(
    overrides: dict[str, str], method: str, headers: dict[str, str], status: int
) -> None:
    known = opened(overrides, "key")
    assert status_of(known, request(method, **COOKIE, **headers)) == status
    # Without keys this machine is let in as itself: what its browsers send is held to the same.
    expected = 200 if headers == {} else status
    if "host" not in headers:
        assert status_of(opened(overrides), request(method, **headers)) == expected


def test_a_cookie_works_over_http_and_a_header_goes_before_it(overrides: dict[str, str]) -> None:
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
            # Who has the key itself may send from anywhere.
            ({**elsewhere, "Authorization": "Bearer key"}, 202),
        ]:
            answer = requests.post(jobs, json=REQUEST, cookies=cookies, headers=headers, timeout=30)
            assert answer.status_code == status


def test_a_page_asks_who_is_there(overrides: dict[str, str]) -> None:
    known = opened(overrides, "shop:key")
    assert known.caller_or_none(request()) is None
    assert known.caller_or_none(request(**COOKIE)) == Caller("shop")
    assert opened(overrides).caller_or_none(request()) == LOCAL


def test_the_openapi_document_tells_of_every_problem(settings: Settings) -> None:
    document = create_app(settings).openapi()
    paths = document["paths"]
    assert len(paths) == 12
    for path, method, status in [
        ("/v1/jobs", "post", "400"),
        ("/v1/jobs", "get", "401"),
        ("/v1/jobs/{job_id}", "get", "404"),
        ("/v1/jobs/{job_id}/cancel", "post", "409"),
        ("/v1/jobs/{job_id}/retry", "post", "422"),
        ("/v1/jobs/{job_id}/images/{n}", "get", "404"),
        ("/healthz", "get", "503"),
    ]:
        assert "application/problem+json" in paths[path][method]["responses"][status]["content"]
    assert set(document["components"]["schemas"]["Job"]["properties"]) == {
        *(name for name, field in Job.model_fields.items() if not field.exclude),
        *Job.model_computed_fields,
    }
    assert "HTTPValidationError" not in document["components"]["schemas"]
