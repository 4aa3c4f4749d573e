"""`imagequeue doctor`: each line ok or what to do, whatever is away, and no secret in any."""

import json
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.doctor import redis_checks
from imagequeue.producer.local.ports import free_port
from imagequeue.store.api_keys import ApiKeys, Limits
from imagequeue.worker.receiver.application import create_app
from support.asgi import serving
from support.cli import imagequeue
from support.redis import evicting_redis
from support.stub import Stub

Overrides = dict[str, str]
SECRETS = ("a secret of the tests", "a kie key", "an acedata key", "hunter2", "whsec_")


class Told(NamedTuple):
    status: int
    amiss: dict[str, str]
    """What is not ok, and the words for it."""
    ok: dict[str, str]


Doctor = Callable[..., Told]


@pytest.fixture
def overrides(overrides: Overrides, sandbox_url: str) -> Overrides:
    return {**overrides, "kie_base_url": sandbox_url}


@pytest.fixture
def doctor(overrides: Overrides, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    # How busy the machine is that runs the tests is nobody's business but one test's.
    monkeypatch.setattr(redis_checks, "SLOW_MS", math.inf)

    def look(**changed: str) -> Told:
        ran = imagequeue("doctor", "--json", settings={**overrides, **changed})
        found = json.loads(ran.out)
        amiss = {each["what"]: each["detail"] for each in found if not each["ok"]}
        ok = {each["what"]: each["detail"] for each in found if each["ok"]}
        assert not [secret for secret in SECRETS if secret in ran.out + ran.err]
        assert bool(amiss) is bool(ran.status)
        return Told(ran.status, amiss, ok)

    return look


@pytest.fixture
def receiving(overrides: Overrides) -> Iterator[Callable[..., str]]:
    """Starts a receiver under settings of its own; returns its address."""
    with ExitStack() as stack:
        yield lambda **changed: stack.enter_context(
            serving(create_app(read_settings(**{**overrides, **changed})))
        )


def test_a_system_that_is_well(doctor: Doctor, receiving: Any, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        ApiKeys(client).add("shop", Limits(), utc_now())
    hook = {"webhook_url": "https://example.com/hook", "webhook_secret": "whsec_" + "a" * 32}
    url = receiving()
    told = doctor(public_url=url, api_keys="key-one,key-two", **hook)
    assert told.amiss == {}
    assert " ".join(told.ok) == (
        "settings redis redis latency redis memory clock secret provider keys callbacks webhooks "
        "api keys storage"
    )
    assert told.ok["callbacks"] == f"our receiver answers at {url}"
    assert told.ok["api keys"] == "3 in use"
    assert told.ok["provider keys"].startswith("kie: ")
    assert told.ok["provider keys"].endswith(" credits left; acedata: set, not checked")


def test_the_lines_for_people(overrides: Overrides, doctor: Doctor) -> None:
    ran = imagequeue("doctor", settings=overrides)
    assert (ran.status, ran.err) == (0, "")
    assert {line[:6] for line in ran.out.splitlines()} == {"ok    "}
    ran = imagequeue("doctor", settings={**overrides, "lease_s": "soon"})
    assert (ran.status, ran.out.count("\n")) == (1, 1)
    assert ran.out.startswith("FAIL  settings: IMAGEQUEUE_LEASE_S: ")
    assert "IMAGEQUEUE_SECRET_KEY is not set" in doctor(secret_key="").amiss["secret"]


def test_the_rest_is_looked_at_while_redis_is_away(doctor: Doctor) -> None:
    told = doctor(redis_url=f"redis://:hunter2@127.0.0.1:{free_port()}")
    assert list(told.amiss) == ["redis"]
    assert "IMAGEQUEUE_REDIS_URL" in told.amiss["redis"]
    assert " ".join(told.ok) == "settings secret provider keys callbacks webhooks storage"


def test_a_redis_that_says_nothing_is_not_waited_for(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_checks, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = doctor(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}")
    assert "does not answer" in told.amiss["redis"]


def test_a_redis_that_may_evict(doctor: Doctor, tmp_path: Path) -> None:
    with evicting_redis(tmp_path) as url:
        assert "maxmemory-policy noeviction" in doctor(redis_url=url).amiss["redis"]


def test_a_redis_that_is_far_or_nearly_full(
    doctor: Doctor, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_checks, "SLOW_MS", 0)
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] * 11 // 10)
        try:
            told = doctor()
        finally:
            client.config_set("maxmemory", 0)
    assert "closer together" in told.amiss["redis latency"]
    assert "lower IMAGEQUEUE_RETENTION_S" in told.amiss["redis memory"]


@pytest.mark.parametrize(("off_s", "words"), [(3, "s ahead of Redis's"), (-3, "s behind Redis's")])
def test_clocks_that_differ(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, off_s: int, words: str
) -> None:
    monkeypatch.setattr(redis_checks, "utc_now", lambda: utc_now() + timedelta(seconds=off_s))
    told = doctor()
    assert list(told.amiss) == ["clock"]
    assert words in told.amiss["clock"]
    assert "NTP" in told.amiss["clock"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (200, {"code": 401, "msg": "no access"}),
            "refuses the key (401)",
        ),
        ((403, {}), "refuses the key (403): correct IMAGEQUEUE_KIE_API_KEY"),
        ((200, {"code": 200, "msg": "success", "data": 0}), "top up"),
        ((200, {"code": 200, "msg": "success", "data": None}), "does not report the credit"),
        ((502, b"<html>bad gateway</html>"), "does not report the credit (502)"),
        (None, "does not answer (ConnectionError)"),
    ],
)
def test_a_key_that_is_good_for_nothing(
    doctor: Doctor, stub: Stub, answer: Any, words: str
) -> None:
    stub.answer = lambda *_: answer
    told = doctor(kie_base_url=stub.url)
    assert list(told.amiss) == ["provider keys"]
    assert words in told.amiss["provider keys"]


def test_no_key_at_all(doctor: Doctor) -> None:
    told = doctor(kie_api_key="", acedata_api_key="")
    assert "set IMAGEQUEUE_KIE_API_KEY" in told.amiss["provider keys"]
    assert doctor(kie_api_key="").ok["provider keys"] == "acedata: set, not checked"


@pytest.mark.parametrize("secret", ["another one", "another one,a secret of the tests"])
def test_a_receiver_that_verifies_no_url_of_ours_or_signs_with_another_secret(
    doctor: Doctor, receiving: Any, secret: str
) -> None:
    told = doctor(public_url=receiving(secret_key=secret))
    assert list(told.amiss) == ["callbacks"]
    assert "has another IMAGEQUEUE_SECRET_KEY" in told.amiss["callbacks"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"status": "ok"}), "no receiver of this version"),
        ((200, b"welcome"), "no receiver of this version"),
        ((200, {"proof": "é"}), "has another IMAGEQUEUE_SECRET_KEY"),
        ((503, {"status": "Redis takes no writes"}), "answers 503"),
        ((302, {}, {"Location": "https://example.com"}), "answers 302"),
        (None, "does not answer (ConnectionError)"),
    ],
)
def test_a_public_address_that_leads_elsewhere(
    doctor: Doctor, stub: Stub, answer: Any, words: str
) -> None:
    stub.answer = lambda *_: answer
    told = doctor(public_url=stub.url)
    assert list(told.amiss) == ["callbacks"]
    assert words in told.amiss["callbacks"]


def test_webhooks_that_could_not_be_signed(doctor: Doctor) -> None:
    told = doctor(webhook_url="https://example.com/hook")
    assert list(told.amiss) == ["webhooks"]
    assert "IMAGEQUEUE_WEBHOOK_SECRET is not set" in told.amiss["webhooks"]


def test_a_place_for_pictures_that_takes_none(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert list(doctor(storage_url=f"file://{tmp_path}/file/pictures").amiss) == ["storage"]
