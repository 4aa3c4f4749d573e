"""One-time login links: a session without an API key, wherever the browser is."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
import redis
import requests

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.store import keys
from imagequeue.store.callers.login_links import LINK_S, Login, LoginLinks
from imagequeue.store.callers.roles import Role
from imagequeue.store.callers.sessions import LINK_SESSION_S
from support.asgi import serving
from support.cli import imagequeue

PROXIED = {"X-Forwarded-For": "203.0.113.9"}
REQUEST = {"provider": "acedata-flux", "prompt": "a cat"}


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as one:
        yield one


@pytest.fixture
def links(client: redis.Redis) -> LoginLinks:
    return LoginLinks(client)


@pytest.fixture
def browser(site: str) -> Iterator[requests.Session]:
    """A browser behind a proxy, so without access of its own."""
    with requests.Session() as one:
        one.headers.update({"Origin": site, **PROXIED})
        yield one


def test_link_logs_in_one_browser_through_a_proxy(
    site: str, browser: requests.Session, links: LoginLinks
) -> None:
    link = links.make(site)
    refused = browser.get(f"{site}/", timeout=30)
    assert (refused.status_code, "imagequeue login" in refused.text) == (403, True)
    # A program that previews links takes nothing away.
    assert [browser.get(link, timeout=30).status_code for _ in range(2)] == [200, 200]
    assert not browser.cookies
    inside = browser.post(link, timeout=30)
    assert (inside.status_code, inside.url) == (200, f"{site}/")
    assert browser.post(f"{site}/v1/jobs", json=REQUEST, timeout=30).status_code == 202
    for method in ("GET", "POST"):
        again = requests.request(method, link, headers={"Origin": site, **PROXIED}, timeout=30)
        assert (again.status_code, "imagequeue login" in again.text) == (410, True)
        assert not again.cookies


def test_simultaneous_uses_of_a_link_start_one_session(links: LoginLinks) -> None:
    for _ in range(20):
        token = links.make("").rpartition("/")[2]
        with ThreadPoolExecutor(8) as threads:
            logins = list(threads.map(links.use, [token] * 8))
        assert sorted(logins, key=bool) == [*[None] * 7, Login(Role.ADMIN, "local")]


def test_link_of_an_earlier_version_logs_in(links: LoginLinks, client: redis.Redis) -> None:
    token = links.make("").rpartition("/")[2]
    (key,) = client.keys("iq:login_link:*")
    client.set(key, "viewer")
    assert links.use(token) == Login(Role.VIEWER, "local")


def test_jobs_and_sessions_of_a_named_link_are_its_own(
    site: str, overrides: dict[str, str]
) -> None:
    pages = {}
    for name in ("anna", "ben"):
        ran = imagequeue(
            "login", "--url", site, "--role", "submitter", "--name", name, settings=overrides
        )
        with requests.Session() as browser:
            browser.headers.update({"Origin": site, **PROXIED})
            assert f"as <strong>{name}</strong>" in browser.get(ran.out.strip(), timeout=30).text
            browser.post(ran.out.strip(), timeout=30).raise_for_status()
            job = browser.post(f"{site}/v1/jobs", json=REQUEST, timeout=30).json()
            assert job["submitted_by"] == name
            jobs = browser.get(f"{site}/v1/jobs", timeout=30).json()["jobs"]
            assert [each["id"] for each in jobs] == [job["id"]]
            pages[name] = browser.get(f"{site}/sessions", timeout=30).text
    assert ["anna, submitter" in pages["anna"], "anna" in pages["ben"]] == [True, False]
    listed = imagequeue("sessions", settings=overrides).out
    assert ("anna " in listed, "ben " in listed) == (True, True)
    for name in ("env-1", "no spaces", "x" * 65):
        refused = imagequeue("login", "--name", name, settings=overrides)
        assert (refused.status, "64 letters" in refused.err) == (2, True)


def test_expired_or_unknown_link_is_gone(
    site: str, browser: requests.Session, links: LoginLinks, client: redis.Redis
) -> None:
    link = links.make(site)
    (key,) = client.keys("iq:login_link:*")
    assert 0 < client.ttl(key) <= LINK_S
    client.expire(key, 0)
    for gone in (link, f"{site}/login/x", f"{site}/login/%00%ff"):
        assert browser.get(gone, timeout=30).status_code == 410
        assert browser.post(gone, timeout=30).status_code == 410


def test_link_is_not_used_from_another_site(site: str, links: LoginLinks) -> None:
    link = links.make(site)
    for headers in ({}, {"Origin": "https://evil.example"}):
        assert requests.post(link, headers=headers, timeout=30).status_code == 403
    assert links.find(link.rpartition("/")[2])


@pytest.mark.parametrize("end", ["logout", "expiry"])
def test_session_ends(
    site: str, browser: requests.Session, links: LoginLinks, client: redis.Redis, end: str
) -> None:
    browser.post(links.make(site), timeout=30).raise_for_status()
    cookies = dict(browser.cookies)
    ((name, record),) = client.hgetall(keys.SESSIONS).items()  # type: ignore[union-attr]
    if end == "logout":
        browser.post(f"{site}/logout", timeout=30)
    else:
        session = json.loads(record)
        ends_at = datetime.fromisoformat(session["ends_at"])
        assert 0 < (ends_at - utc_now()).total_seconds() <= LINK_SESSION_S
        client.hset(keys.SESSIONS, name, json.dumps({**session, "ends_at": str(utc_now())}))
    # A copy of the cookie is worth nothing either.
    assert requests.get(site, cookies=cookies, headers=PROXIED, timeout=30).status_code == 403


def test_redis_has_neither_the_token_nor_the_session(
    site: str, browser: requests.Session, links: LoginLinks, client: redis.Redis
) -> None:
    link = links.make(site)
    stored = [client.dump(name) for name in client.scan_iter()]
    browser.post(link, timeout=30)
    stored += [client.dump(name) for name in client.scan_iter()]
    assert client.hlen(keys.SESSIONS) == 1
    for secret in (link.rpartition("/")[2], *browser.cookies.values()):
        assert secret not in str(stored) + str(client.keys())


def test_link_of_the_command_works_where_there_are_keys(overrides: dict[str, str]) -> None:
    with (
        serving(create_app(read_settings(**overrides, api_keys="key-one"))) as site,
        requests.Session() as browser,
    ):
        ran = imagequeue("login", "--url", f"{site}/", settings=overrides)
        assert ran.out.startswith(f"{site}/login/")
        assert browser.get(site, timeout=30).status_code == 401
        inside = browser.post(ran.out.strip(), headers={"Origin": site}, timeout=30)
        assert inside.status_code == 200
        # A page of another site cannot use the session.
        evil = {"Origin": "https://evil.example"}
        assert browser.post(f"{site}/v1/jobs", json=REQUEST, headers=evil).status_code == 403
        # Only browsers have sessions.
        (secret,) = browser.cookies.values()
        bearer = {"Authorization": f"Bearer {secret}"}
        assert requests.get(f"{site}/v1/jobs", headers=bearer, timeout=30).status_code == 401
