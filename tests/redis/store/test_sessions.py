"""Sessions of browsers in Redis and their commands: they end in time, or when they are revoked."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import utc_now
from imagequeue.store import keys as redis_keys
from imagequeue.store.callers import sessions as module
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.callers.hashing import hash_key
from imagequeue.store.callers.roles import Role
from imagequeue.store.callers.sessions import LINK_SESSION_S, RECORD_USE_EVERY_S, Sessions
from support.cli import Ran, imagequeue
from support.clock import Clock


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as one:
        yield one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(client: redis.Redis, clock: Clock) -> Sessions:
    return Sessions(client, clock)


@pytest.fixture
def run(overrides: dict[str, str]) -> Any:
    def run_one(*arguments: str) -> Ran:
        return imagequeue(*arguments, settings=overrides)

    return run_one


def test_session_ends_in_time_and_is_deleted(
    sessions: Sessions, clock: Clock, client: redis.Redis
) -> None:
    secret = sessions.start("local", role=Role.VIEWER)
    clock.advance(LINK_SESSION_S - 1)
    found = sessions.find(secret)
    assert (found and found.role, sessions.find("other")) == (Role.VIEWER, None)
    clock.advance(1)
    assert (sessions.find(secret), client.hlen(redis_keys.SESSIONS)) == (None, 1)
    assert sessions.list_all() == []
    assert client.exists(redis_keys.SESSIONS, redis_keys.SESSIONS_USED) == 0


def test_use_of_a_session_is_recorded_now_and_then(sessions: Sessions, clock: Clock) -> None:
    secret = sessions.start("shop", key_hash="a")
    started = clock()
    clock.advance(RECORD_USE_EVERY_S - 1)
    sessions.find(secret)
    assert int(sessions.list_all()[0].used_at.timestamp()) == int(started.timestamp())
    clock.advance(1)
    sessions.find(secret)
    assert int(sessions.list_all()[0].used_at.timestamp()) == int(clock().timestamp())


def test_login_beyond_the_bound_ends_the_least_used_session(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    other = sessions.start("other", key_hash="b")
    secrets = []
    for _ in range(2):
        clock.advance(RECORD_USE_EVERY_S)
        secrets.append(sessions.start("shop", key_hash="a"))
    clock.advance(RECORD_USE_EVERY_S)
    assert sessions.find(secrets[0])
    secrets.append(sessions.start("shop", key_hash="a"))
    assert [bool(sessions.find(each)) for each in secrets] == [True, False, True]
    assert sessions.find(other)


def test_session_is_bound_to_its_key(sessions: Sessions) -> None:
    secret = sessions.start("shop", key_hash=hash_key("one"))
    found = sessions.find(secret)
    assert found
    assert [found.is_of(secret, hash_key(key)) for key in ("one", "two")] == [True, False]
    # Who reads Redis cannot try out keys without the secret.
    assert not found.is_of(hash_key(secret), hash_key("one"))


def test_record_of_a_later_version_opens_nothing_and_stays(
    sessions: Sessions, client: redis.Redis
) -> None:
    secret = sessions.start("local", role=Role.VIEWER)
    record = json.loads(client.hget(redis_keys.SESSIONS, hash_key(secret)) or "")  # type: ignore[arg-type]
    client.hset(redis_keys.SESSIONS, hash_key(secret), json.dumps({**record, "role": "auditor"}))
    assert (sessions.find(secret), sessions.list_all()) == (None, [])
    assert sessions.end_all() == 1
    assert client.hlen(redis_keys.SESSIONS) == 0


def test_commands_list_and_revoke_sessions(run: Any, client: redis.Redis) -> None:
    sessions = Sessions(client, utc_now)
    ApiKeys(client).add("shop", Limits(), utc_now())
    first = sessions.start("shop", key_hash="a", browser="Firefox on Linux")
    others = [sessions.start("local", role=role) for role in (Role.VIEWER, Role.ADMIN)]
    listed = run("sessions").out.splitlines()
    assert len(listed) == 3
    (own,) = [line for line in listed if "shop" in line]
    assert (own.split()[:5], "Firefox on Linux" in own) == (
        [hash_key(first)[:12], "shop", "submitter", "by", "key"],
        True,
    )
    shown = [json.loads(line) for line in run("sessions", "--json").out.splitlines()]
    assert {each["role"] for each in shown} == {"submitter", "viewer", "admin"}
    ids = {each["caller"]: each["id"] for each in shown}
    unknown = run("sessions", "revoke", ids["shop"], "nobody")
    assert (unknown.status, "no session is nobody" in unknown.err) == (2, True)
    assert sessions.find(first)
    assert run("sessions", "revoke", ids["shop"]).out == "ended 1 session\n"
    assert sessions.find(first) is None
    assert run("sessions", "revoke").status == 2
    assert run("sessions", "revoke", "--all").out == "ended 2 sessions\n"
    assert [sessions.find(each) for each in others] == [None, None]


def test_command_that_removes_a_key_ends_its_sessions(run: Any, client: redis.Redis) -> None:
    sessions = Sessions(client, utc_now)
    secrets = [sessions.start(name, key_hash="a") for name in ("shop", "other")]
    for name in ("shop", "other"):
        ApiKeys(client).add(name, Limits(), utc_now())
    assert run("keys", "remove", "shop").status == 0
    assert [bool(sessions.find(each)) for each in secrets] == [False, True]


@pytest.mark.parametrize("role", Role)
def test_role_of_a_key_is_its_flags(run: Any, client: redis.Redis, role: Role) -> None:
    assert run("keys", "add", "one", "--role", role.value).status == 0
    key = ApiKeys(client).all()["one"]
    assert (key.role, key.is_admin, key.is_read_only) == (role, *role.rights)
    assert f"one                       {role}" in run("keys", "list").out
    assert run("keys", "limit", "one", "--role", "submitter").status == 0
    assert ApiKeys(client).all()["one"].role is Role.SUBMITTER
    both = run("keys", "add", "two", "--role", role.value, "--admin")
    assert (both.status, "not both" in both.err) == (2, True)
