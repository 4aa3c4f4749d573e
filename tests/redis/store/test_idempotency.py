"""One idempotency key makes one job, whoever sends the request again and however often."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests

from imagequeue import LocalClient
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import IdempotencyConflictError, InvalidRequestError
from imagequeue.producer.api.application import create_app
from imagequeue.store import keys
from imagequeue.worker.context import Context
from support.asgi import serving
from support.cli import imagequeue
from support.stub import Stub

REQUEST: dict[str, Any] = {"provider": "acedata-flux", "prompt": "a cat"}
PNG = b"\x89PNG\r\n\x1a\n"
EDIT: dict[str, Any] = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "add a hat"}


@pytest.fixture
def client(settings: Settings) -> LocalClient:
    return LocalClient(settings)


@pytest.fixture
def api(overrides: dict[str, str]) -> Iterator[str]:
    with serving(create_app(read_settings(**overrides, api_keys="shop:one, press:two"))) as url:
        yield f"{url}/v1/jobs"


def post(api: str, body: dict[str, Any], key: str = "k", caller: str = "one") -> requests.Response:
    headers = {"Authorization": f"Bearer {caller}", "Idempotency-Key": key}
    return requests.post(api, json=body, headers=headers, timeout=30)


def jobs_kept(ctx: Context) -> int:
    return sum(ctx.store.count_by_state().values())


def test_the_same_request_again_is_the_same_job(api: str, ctx: Context) -> None:
    first, again = post(api, REQUEST), post(api, {**REQUEST, "action": "generate"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in (first, again)]
    assert replayed == [None, "true"]
    assert (jobs_kept(ctx), ctx.store.redis.llen("submit")) == (1, 1)
    assert first.json()["submitted_by"] == "shop"


def test_another_request_under_the_key_is_refused(api: str, ctx: Context) -> None:
    post(api, REQUEST)
    other = post(api, {**REQUEST, "prompt": "a dog"})
    assert (other.status_code, other.headers["Content-Type"]) == (409, "application/problem+json")
    assert "give a new one" in other.json()["detail"]
    assert jobs_kept(ctx) == 1


def test_keys_are_each_caller_s_own(api: str, ctx: Context) -> None:
    mine, theirs = post(api, REQUEST), post(api, {**REQUEST, "prompt": "a dog"}, caller="two")
    assert (theirs.status_code, theirs.json()["submitted_by"]) == (202, "press")
    assert mine.json()["id"] != theirs.json()["id"]
    assert jobs_kept(ctx) == 2


def test_of_many_at_once_one_makes_the_job(api: str, ctx: Context) -> None:
    together = Barrier(50)

    def submit(_: int) -> str:
        together.wait()
        return str(post(api, REQUEST).json()["id"])

    with ThreadPoolExecutor(50) as threads:
        ids = list(threads.map(submit, range(50)))
    assert len(set(ids)) == 1
    assert (jobs_kept(ctx), ctx.store.redis.llen("submit")) == (1, 1)


def test_a_key_is_known_for_a_day(client: LocalClient, ctx: Context) -> None:
    client.submit(**REQUEST, idempotency_key="k")
    assert 86000 < ctx.store.redis.ttl(keys.idempotency_key("python:k")) <= 86400


@pytest.mark.parametrize("key", ["", "x" * 256, "two\nlines"])
def test_a_key_that_is_none_is_refused(client: LocalClient, ctx: Context, key: str) -> None:
    with pytest.raises(InvalidRequestError, match="idempotency_key: must be 1 to 255 printable"):
        client.submit(**REQUEST, idempotency_key=key)
    assert jobs_kept(ctx) == 0


def test_a_request_is_refused_before_its_key_is_used(api: str, ctx: Context) -> None:
    assert post(api, {**REQUEST, "prompt": ""}).status_code == 422
    assert post(api, REQUEST).status_code == 202
    assert jobs_kept(ctx) == 1


def test_file_with_the_same_content_is_uploaded_once(
    overrides: dict[str, str], stub: Stub, tmp_path: Path
) -> None:
    urls = iter(range(10))
    stub.answer = lambda *_: (
        200,
        {
            "success": True,
            "code": 200,
            "msg": "ok",
            "data": {"downloadUrl": f"https://example.com/{next(urls)}.png"},
        },
    )
    client = LocalClient(read_settings(**overrides, kie_upload_url=stub.url))
    cat = tmp_path / "cat.png"
    cat.write_bytes(PNG + b"cat")
    first = client.submit(**EDIT, image=cat, idempotency_key="k")
    assert client.submit(**EDIT, image=str(cat), idempotency_key="k").id == first.id
    assert len(stub.asked) == 1
    cat.write_bytes(PNG + b"dog")
    with pytest.raises(IdempotencyConflictError):
        client.submit(**EDIT, image=cat, idempotency_key="k")
    assert len(stub.asked) == 1
    assert client.submit(**EDIT, image=cat, idempotency_key="other").id != first.id


def test_the_command_line_takes_keys(overrides: dict[str, str], ctx: Context) -> None:
    arguments = ["submit", "acedata-flux", "a cat", "--idempotency-key=k", "--json"]
    first, again = (imagequeue(*arguments, settings=overrides) for _ in range(2))
    assert json.loads(first.out)["id"] == json.loads(again.out)["id"]
    arguments[2] = "a dog"
    other = imagequeue(*arguments, settings=overrides)
    assert (other.status, "the idempotency key was used" in other.err) == (2, True)
    assert jobs_kept(ctx) == 1
