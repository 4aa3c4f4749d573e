"""Authentication of the HTTP API: API keys, and local access without one."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import requests
from fastapi.security import HTTPAuthorizationCredentials

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.errors import ConfigError, RedisUnavailableError
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api import access
from imagequeue.producer.api.access import LOCAL, Caller
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from support.access import opened, request, status_of
from support.asgi import Serve


@pytest.fixture
def keys(settings: Settings) -> Iterator[ApiKeys]:
    with connect(settings) as client:
        yield ApiKeys(client)


@pytest.mark.parametrize("given", ["", "Bearer nobody", "Basic key-one", "Bearer", "Bearer ké"])
def test_request_without_a_known_key_is_401(serve: Serve, given: str) -> None:
    url = serve(api_keys="key-one, shop:key-two")
    headers = {"Authorization": given.encode()} if given else {}
    answer = requests.get(f"{url}/v1/jobs", headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer KEY" in answer.json()["detail"]
    for key in ("key-one", "key-two"):
        headers = {"Authorization": f"Bearer {key}"}
        assert requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).ok
    assert requests.get(f"{url}/healthz", timeout=30).json() == {"status": "ok"}


def test_environment_key_has_a_name(overrides: dict[str, str]) -> None:
    known = opened(overrides, "one, shop:two, three:with:colons, four")
    keys = ("one", "two", "with:colons", "four")
    assert [known.find_caller(key) for key in keys] == [
        Caller(name, is_admin=True, max_priority="high")
        for name in ("env-1", "shop", "three", "env-4")
    ]
    assert [known.find_caller(key) for key in ("", "shop", "shop:two", "One")] == [None] * 4


@pytest.mark.parametrize("entry", ["shop:", ":s3cret", "a shop:s3cret", "a/b:s3cret"])
def test_ambiguous_api_keys_entry_stops_the_start(overrides: dict[str, str], entry: str) -> None:
    with pytest.raises(ConfigError, match="API_KEYS: entry 2 must be KEY or NAME:KEY") as refused:
        opened(overrides, f"fine,{entry}")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "headers",
    [
        # uvicorn trusts a proxy on this machine, and a proxy may forward forged headers.
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        # A foreign host name that resolves to this machine (DNS rebinding).
        {"Host": "rebound.example"},
        {"Host": "[::1"},
    ],
    ids=str,
)
def test_without_keys_other_machines_are_refused(serve: Serve, headers: dict[str, str]) -> None:
    url = serve(uvicorn={"forwarded_allow_ips": "*"})
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
def test_local_requests_are_recognised_by_address(
    overrides: dict[str, str], peer: str, host: str, status: int
) -> None:
    assert status_of(opened(overrides), request(peer=peer, host=host)) == status


def test_key_is_ignored_while_no_key_exists(overrides: dict[str, str], site: str) -> None:
    headers = {"Authorization": "Bearer old"}
    assert requests.get(f"{site}/v1/jobs", headers=headers, timeout=30).ok
    assert opened(overrides).admit(request()) == LOCAL


def test_redis_key_works_until_it_is_removed(site: str, keys: ApiKeys) -> None:
    key = keys.add("shop", Limits(open_jobs=3), utc_now())
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"{site}/v1/jobs", headers=headers, timeout=30).ok
    # From now on this machine needs a key too.
    assert requests.get(f"{site}/v1/jobs", timeout=30).status_code == 401
    other = keys.add("other", Limits(), utc_now())
    keys.remove("shop")
    assert requests.get(f"{site}/v1/jobs", headers=headers, timeout=30).status_code == 401
    headers = {"Authorization": f"Bearer {other}"}
    assert requests.get(f"{site}/v1/jobs", headers=headers, timeout=30).ok


def test_keys_are_cached_for_some_seconds(
    overrides: dict[str, str], keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.add("shop", Limits(per_minute=7), utc_now())
    known = opened(overrides)
    monkeypatch.setattr(access, "CACHED_S", 1e9)
    assert known.find_caller(key) == Caller("shop", Limits(per_minute=7))
    asked = _commands(keys)
    keys.remove("shop")
    assert [known.find_caller(key) is None for _ in range(5)] == [False] * 5
    assert _commands(keys) - asked == 3  # the removal's own
    monkeypatch.setattr(access, "CACHED_S", 0)
    assert known.find_caller(key) is None


def _commands(keys: ApiKeys) -> int:
    """Return how often a hash was read or written in Redis."""
    calls: dict[str, Any] = keys._redis.info("commandstats")
    return sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hgetall", "hdel"))


def test_cached_keys_admit_nobody_while_redis_is_away(
    overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = opened(overrides)
    assert known.admit(request()) == LOCAL

    def away(*_: object) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(access, "CACHED_S", 0)
    monkeypatch.setattr(known._keys, "read", away)
    with pytest.raises(RedisUnavailableError):
        known.admit(request())


def test_only_a_request_that_has_to_ask_redis_waits_in_a_thread(
    overrides: dict[str, str], keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.add("shop", Limits(), utc_now())
    known = opened(overrides)
    threads: list[bool] = []
    admit = known.admit

    def noted(*given: Any) -> Caller:
        threads.append(threading.current_thread() is not threading.main_thread())
        return admit(*given)

    monkeypatch.setattr(known, "admit", noted)
    given = HTTPAuthorizationCredentials(scheme="Bearer", credentials=key)

    async def admit_three_times() -> None:
        for _ in range(3):
            assert (await known(request(), given)).name == "shop"

    # The keys and the day of the last use; then nothing, until the keys are read again.
    monkeypatch.setattr(access, "CACHED_S", 1e9)
    asyncio.run(admit_three_times())
    assert threads == [True, False, False]
    monkeypatch.setattr(access, "CACHED_S", 0)
    asyncio.run(admit_three_times())
    assert threads[3:] == [True] * 3


def test_day_of_last_use_is_written_once(overrides: dict[str, str], keys: ApiKeys) -> None:
    key = keys.add("shop", Limits(), utc_now())
    known = opened(overrides, "shop2:env")
    assert keys.list_uses()["shop"].last_used == ""
    known.find_caller(key)
    assert keys.list_uses()["shop"].last_used == utc_now().date().isoformat()
    keys.record_use("shop", "2020-01-01")
    known.find_caller(key)
    known.find_caller("env")
    assert keys.list_uses()["shop"].last_used == "2020-01-01"
