"""Sessions in the dashboard: a login starts one, its page lists and ends them."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
import redis
import requests

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.api.browser import COOKIE
from imagequeue.producer.api.routes import events
from imagequeue.store import keys as redis_keys
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.callers.login_links import LoginLinks
from imagequeue.store.callers.roles import Role
from imagequeue.worker.context import Context
from support.asgi import Serve
from support.jobs import move, queued

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36"
)
LogIn = Callable[..., requests.Session]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as one:
        yield one


@pytest.fixture
def log_in(site: str, client: redis.Redis) -> LogIn:
    """Returns a browser that is logged in with a key, or by a link with a role."""

    def log_in_one(
        key: str = "", role: Role = Role.ADMIN, agent: str = FIREFOX
    ) -> requests.Session:
        browser = requests.Session()
        browser.headers.update({"Origin": site, "User-Agent": agent})
        link = f"{site}/login" if key else LoginLinks(client).make(site, role)
        browser.post(link, data={"key": key}, timeout=30).raise_for_status()
        return browser

    return log_in_one


@pytest.fixture
def shop(keys: ApiKeys) -> str:
    return keys.add("shop", Limits(), utc_now())


def list_sessions(site: str, browser: requests.Session) -> list[str]:
    html = browser.get(f"{site}/sessions", timeout=30).text
    return re.findall(r'name="id" value="(\w+)"', html)


def test_cookie_never_holds_the_key(site: str, log_in: LogIn, shop: str) -> None:
    browser = log_in(shop)
    (cookie,) = browser.cookies.values()
    assert shop not in cookie
    html = browser.get(f"{site}/sessions", timeout=30).text
    for words in ("Firefox on Linux", "this one", "shop, submitter, by API key"):
        assert words in html
    assert '<a class="who" href="/sessions">shop, submitter</a>' in html
    # A second login of the browser replaces its session.
    browser.post(f"{site}/login", data={"key": shop}, timeout=30)
    assert len(list_sessions(site, browser)) == 1
    assert requests.get(site, cookies={COOKIE: cookie}, timeout=30).status_code == 401


def test_removed_or_replaced_key_ends_its_sessions(
    site: str, log_in: LogIn, shop: str, keys: ApiKeys
) -> None:
    keys.add("other", Limits(), utc_now())
    browser = log_in(shop)
    assert browser.get(site, timeout=30).ok
    keys.remove("shop")
    assert browser.get(site, timeout=30).status_code == 401
    # Another key of this name has nothing to do with it.
    keys.add("shop", Limits(), utc_now(), is_admin=True)
    assert browser.get(site, timeout=30).status_code == 401


@pytest.mark.parametrize("way", ["session", "key", "role"])
def test_streams_end_once_their_session_or_key_is_gone(
    site: str,
    log_in: LogIn,
    shop: str,
    keys: ApiKeys,
    ctx: Context,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    keys.add("other", Limits(), utc_now())
    job_id = queued(ctx, submitted_by="shop")
    browser, admin = log_in(shop), log_in()
    monkeypatch.setattr(events, "RECHECK_EVERY_S", 0.05)
    urls = [f"{site}/v1/events", f"{site}/v1/jobs/{job_id}/events"]
    ended = [browser.get(url, stream=True, timeout=30) for url in urls]
    lasting = admin.get(urls[0], stream=True, timeout=30)
    if way == "session":
        (own,) = list_sessions(site, browser)
        browser.post(f"{site}/sessions/end", data={"id": own}, timeout=30)
    elif way == "key":
        keys.remove("shop")
    else:
        keys.change("shop", is_admin=True)
    for each in ended:
        list(each.iter_lines())
    move(ctx, job_id, State.SUBMITTING)
    lines = (line for line in lasting.iter_lines(chunk_size=1) if line.startswith(b"data:"))
    assert json.loads(next(lines)[5:]) == {"job": job_id, "state": "submitting"}
    lasting.close()


def test_rights_of_a_session_are_those_of_its_key_now(
    site: str, log_in: LogIn, shop: str, keys: ApiKeys
) -> None:
    browser = log_in(shop)
    assert browser.get(f"{site}/operations", timeout=30).status_code == 403
    keys.change("shop", is_admin=True)
    assert browser.get(f"{site}/operations", timeout=30).ok


def test_cookie_with_a_key_of_an_earlier_version_works(site: str, shop: str) -> None:
    assert requests.get(site, cookies={COOKIE: shop}, timeout=30).ok
    # A session of an earlier version could not be listed: its browser logs in again.
    assert requests.get(site, cookies={COOKIE: "former"}, timeout=30).status_code == 401


def test_caller_sees_and_ends_own_sessions_only(
    site: str, log_in: LogIn, shop: str, keys: ApiKeys
) -> None:
    other = log_in(keys.add("other", Limits(), utc_now()))
    first, second = log_in(shop), log_in(shop, agent=CHROME)
    assert "Chrome on Android" in first.get(f"{site}/sessions", timeout=30).text
    (others,) = list_sessions(site, other)
    assert len(list_sessions(site, first)) == 2
    first.post(f"{site}/sessions/end", data={"id": others}, timeout=30)
    assert other.get(site, timeout=30).ok
    first.post(f"{site}/sessions/end", data={"others": "yes"}, timeout=30)
    assert [each.get(site, timeout=30).status_code for each in (first, second)] == [200, 401]
    evil = {"Origin": "https://evil.example"}
    refused = first.post(f"{site}/sessions/end", data={"others": "yes"}, headers=evil, timeout=30)
    assert refused.status_code == 403


def test_link_of_a_role_gives_no_more(site: str, log_in: LogIn, shop: str) -> None:
    admin, viewer = log_in(), log_in(role=Role.VIEWER)
    submitter = log_in(role=Role.SUBMITTER)
    browsers = (admin, viewer, submitter)
    # They all are `local`, and only the admin sees and ends the others.
    assert [len(list_sessions(site, each)) for each in browsers] == [3, 1, 1]
    pages = [each.get(site, timeout=30).text for each in browsers]
    assert ["local, viewer" in page for page in pages] == [False, True, False]
    assert ['href="/new"' in page for page in pages] == [True, False, True]
    (own,) = list_sessions(site, viewer)
    viewer.post(f"{site}/sessions/end", data={"id": own}, timeout=30)
    assert [each.get(site, timeout=30).status_code for each in browsers] == [200, 401, 200]


def test_link_says_what_it_gives(site: str, client: redis.Redis) -> None:
    words = {"viewer": "change nothing", "submitter": "make jobs", "admin": "every right"}
    for role, said in words.items():
        link = LoginLinks(client).make(site, Role(role))
        page = requests.get(link, timeout=30).text
        assert (said in page, 'class="menu"' in page) == (True, False)


def test_user_agent_is_shortened(log_in: LogIn, shop: str, client: redis.Redis) -> None:
    log_in(shop, agent="a robot " * 50)
    (record,) = client.hvals(redis_keys.SESSIONS)  # type: ignore[misc]
    assert b'"browser":"' + b"a robot " * 5 + b'"' in record


def test_environment_key_starts_a_session(serve: Serve) -> None:
    site = serve(api_keys="weak")
    with requests.Session() as browser:
        browser.headers["Origin"] = site
        assert browser.post(f"{site}/login", data={"key": "weak"}, timeout=30).ok
        assert "env-1, admin" in browser.get(f"{site}/sessions", timeout=30).text
    # The same name with another key.
    other = serve(api_keys="other")
    assert requests.get(other, cookies=browser.cookies, timeout=30).status_code == 401
