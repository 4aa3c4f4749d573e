"""Roles on every route of the app: whoever adds a route cannot forget what a role may not do."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import requests
from fastapi.routing import APIRoute

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.producer.api.browser import COOKIE
from imagequeue.store import keys as redis_keys
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.callers.hashing import hash_key
from imagequeue.store.callers.roles import Role
from imagequeue.store.callers.sessions import Sessions

REQUEST = {"provider": "acedata-flux", "prompt": "the shop's cat"}
SAFE = {"GET", "HEAD", "OPTIONS"}
# What every role may do: log in and out, and end its own sessions.
OWN = {"/login", "/login/{token}", "/logout", "/sessions/end"}
PUBLIC = {
    *("/healthz", "/readyz", "/favicon.ico", "/static/{digest}/{name}"),
    *("/login", "/login/{token}"),
    # Its URL is signed.
    "/v1/images/{job}/files/{n}",
}
Routes = list[tuple[str, str]]
ROUTES: Routes = []
# Notes of who used what; no right is needed to leave them.
NOTES = {redis_keys.API_KEYS_USED, redis_keys.SESSIONS_USED}


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as one:
        yield one


@pytest.fixture
def routes(overrides: dict[str, str]) -> Routes:
    """The method and the path of each route."""
    if not ROUTES:  # to build an app takes longer than a test
        ROUTES.extend(list_routes(create_app(read_settings(**overrides))))
    return ROUTES


@pytest.fixture
def secrets(client: redis.Redis) -> dict[str, str]:
    """A key of each role, by its name; `owner` has the jobs."""
    known = ApiKeys(client)
    roles = {"owner": Role.SUBMITTER, "other": Role.SUBMITTER, "viewer": Role.VIEWER}
    return {
        name: known.add(name, Limits(), utc_now(), **role.rights._asdict())
        for name, role in roles.items()
    }


@pytest.fixture
def batch(site: str, secrets: dict[str, str]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {secrets['owner']}"}
    url = f"{site}/v1/batches"
    answer = requests.post(url, json={"items": [REQUEST]}, headers=headers, timeout=30)
    return dict(answer.json())


def list_routes(app: Any) -> Iterator[tuple[str, str]]:
    """Yield the method and the path of each route, also of those in included routers."""
    for route in app.routes:
        if included := getattr(route, "original_router", None):
            yield from list_routes(included)
            continue
        assert isinstance(route, APIRoute), route
        for method in route.methods:
            yield method, route.path


def fill(path: str, batch: dict[str, Any]) -> str:
    """Return a path with the ids of a job and its batch."""
    (job,) = batch["jobs"]
    names = {"job": job, "job_id": job, "batch_id": batch["id"], "n": "0", "action": "cancel"}
    return re.sub(r"{(\w+)(:path)?}", lambda found: names.get(found[1], "all"), path)


def dump(client: redis.Redis) -> dict[bytes, object]:
    # Messages of the job may still be on their way to the broker.
    names = [name for name in client.scan_iter("iq:*") if name.decode() not in NOTES]
    # What the API writes about itself.
    names = [name for name in names if not name.startswith((b"iq:process", b"iq:deployment"))]
    return {name: client.dump(name) for name in names}


def test_viewer_changes_nothing_by_any_route(
    routes: Routes, site: str, client: redis.Redis, secrets: dict[str, str], batch: dict[str, Any]
) -> None:
    sessions = Sessions(client, utc_now)
    by_key = sessions.start("viewer", key_hash=hash_key(secrets["viewer"]))
    by_link = sessions.start("local", role=Role.VIEWER)
    logins = [{"Authorization": f"Bearer {secrets['viewer']}"}]
    logins += [{"Cookie": f"{COOKIE}={secret}", "Origin": site} for secret in (by_key, by_link)]
    before = dump(client)
    changing = [each for each in routes if each[0] not in SAFE and each[1] not in OWN]
    assert len(changing) > 15
    for method, path in changing:
        url = f"{site}{fill(path, batch)}?state=queued"
        # Pages look at cookies alone.
        for headers in logins if path.startswith("/v1/") else logins[1:]:
            body = {"ids": batch["jobs"], **REQUEST, "name": "all"}
            answer = requests.request(method, url, json=body, headers=headers, timeout=30)
            assert answer.status_code == 403, (method, path, answer.text)
            assert "viewer" in answer.text
    assert dump(client) == before


def test_other_submitters_jobs_do_not_exist_on_any_route(
    routes: Routes, site: str, client: redis.Redis, secrets: dict[str, str], batch: dict[str, Any]
) -> None:
    paths = [
        each
        for each in routes
        if re.search("{(job|batch)(_id)?}", each[1]) and each[1] not in PUBLIC
    ]
    assert len(paths) >= 15
    session = Sessions(client, utc_now).start("other", key_hash=hash_key(secrets["other"]))
    logins = [{"Authorization": f"Bearer {secrets['other']}"}]
    logins += [{"Cookie": f"{COOKIE}={session}", "Origin": site}]
    before = dump(client)
    for method, path in paths:
        for headers in logins if path.startswith("/v1/") else logins[1:]:
            url = site + fill(path, batch)
            answer = requests.request(method, url, json={}, headers=headers, timeout=30)
            assert answer.status_code == 404, (method, path, answer.text)
    assert dump(client) == before


def test_every_route_needs_a_login_unless_it_is_public(
    routes: Routes, site: str, batch: dict[str, Any]
) -> None:
    for method, path in routes:
        if path not in PUBLIC | OWN:
            answer = requests.request(method, site + fill(path, batch), timeout=30)
            assert answer.status_code == 401, (method, path)


def test_everybody_reads_the_own_role(site: str, secrets: dict[str, str]) -> None:
    def ask(name: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {secrets[name]}"}
        return dict(requests.get(f"{site}/v1/me", headers=headers, timeout=30).json())

    own = {"name": "owner", "role": "submitter", "reads_all": False, "max_priority": "normal"}
    assert ask("owner") == own
    assert (ask("viewer")["role"], ask("viewer")["reads_all"]) == ("viewer", True)
