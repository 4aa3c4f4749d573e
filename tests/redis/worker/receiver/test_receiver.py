"""The receiver: a genuine URL and a stored body make a 200, and nothing else does."""

from collections.abc import Iterator

import pytest
import requests

from imagequeue.config.settings import Settings
from imagequeue.jobs.tokens import CHALLENGE_PURPOSE, build_callback_url, make_token, sign_challenge
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.application import MAX_BODY_BYTES, create_app
from support.asgi import serving
from support.processes import eventually
from support.redis import traces

JOB = "job_01JD0000000000000000000000"


@pytest.fixture
def overrides(overrides: dict[str, str]) -> dict[str, str]:
    return {**overrides, "secret_key": "the new one, the old one"}


@pytest.fixture
def receiver(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as url:
        yield url


def url_of(secret: str, provider: str = "acedata-flux", job_id: str = JOB) -> str:
    return build_callback_url("", [secret.encode()], provider, job_id)


@pytest.mark.parametrize("secret", ["the new one", "the old one"])
def test_callback_is_stored_raw_and_dispatched(receiver: str, ctx: Context, secret: str) -> None:
    signed = {"X-Webhook-Signature": "s"}
    answer = requests.post(receiver + url_of(secret), b"\xff raw", headers=signed, timeout=5)
    assert answer.status_code == 200
    (stored,) = ctx.inbox.list_unread(JOB).values()
    assert (stored.body, stored.headers) == (b"\xff raw", {"x-webhook-signature": "s"})
    eventually(lambda: ctx.store.redis.llen("callback") == 1)


@pytest.mark.parametrize(
    "url",
    [
        url_of("another secret"),
        url_of("the new one").replace("acedata-flux", "kie-midjourney"),
        url_of("the new one").replace(JOB, JOB[:-1] + "1"),
        url_of("the new one")[:-1],
        f"/callbacks/acedata-flux/{JOB}/%C3%A9",
        "/callbacks",
    ],
)
def test_forged_url_is_404_and_stores_nothing(receiver: str, redis_url: str, url: str) -> None:
    assert requests.post(receiver + url, json={}, timeout=5).status_code == 404
    assert traces(redis_url) == []


def test_too_large_body_is_413(receiver: str, ctx: Context) -> None:
    url = receiver + url_of("the new one")
    assert requests.post(url, b"x" * MAX_BODY_BYTES, timeout=5).status_code == 200
    assert requests.post(url, b"x" * (MAX_BODY_BYTES + 1), timeout=5).status_code == 413
    assert len(ctx.inbox.list_unread(JOB)) == 1


def test_body_that_cannot_be_stored_is_503(receiver: str, ctx: Context) -> None:
    ctx.store.redis.config_set("maxmemory", "1")
    try:
        answer = requests.post(receiver + url_of("the new one"), json={}, timeout=5)
        assert answer.status_code == 503
    finally:
        ctx.store.redis.config_set("maxmemory", "0")
    assert not ctx.inbox.list_unread(JOB)


def test_challenge_gets_proof_but_no_token(receiver: str) -> None:
    challenge = "0123456789abcdef" * 2
    answer = requests.get(f"{receiver}/readyz?challenge={challenge}", timeout=5)
    assert answer.json() == {"status": "ok", "proof": sign_challenge(b"the new one", challenge)}
    for given in ("", "a/b", f"acedata-flux/{JOB}", challenge.upper(), f"{challenge}\n"):
        answer = requests.get(f"{receiver}/readyz", params={"challenge": given}, timeout=5)
        assert answer.json() == {"status": "ok"}
    # Neither for the challenge itself, nor for the purpose that its key comes from.
    assert sign_challenge(b"the new one", "a/b")[:32] != make_token(b"the new one", "a", "b")
    assert b"/" not in CHALLENGE_PURPOSE
