"""The API refuses invalid input with a problem document that says what to change."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from conftest import SETTINGS

from imagequeue.config.settings import Settings, read_settings
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import free_port
from support.asgi import serving
from support.invalid_requests import INVALID_REQUESTS, NAMES, VALID
from support.processes import Process, eventually
from support.redis import evicting_redis, traces

AS_JSON = {"Content-Type": "application/json"}

Start = Callable[..., Process]


@pytest.fixture(scope="module")
def shared_api(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    own = {"redis_url": redis_server, "data_dir": str(tmp_path_factory.mktemp("data"))}
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()  # another file's tests had another storage
    with serving(create_app(read_settings(**SETTINGS, **own))) as url:
        yield url


@pytest.fixture
def api(shared_api: str, redis_url: str) -> str:
    """An API that has no jobs."""
    return shared_api


def submit(api: str, body: bytes | dict[str, Any], headers: Any = AS_JSON) -> requests.Response:
    data = json.dumps(body) if isinstance(body, dict) else body
    return requests.post(f"{api}/v1/jobs", data, headers=headers, timeout=30)


def problem_of(answer: requests.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem


@pytest.mark.parametrize(("_", "change", "field", "words"), INVALID_REQUESTS, ids=NAMES)
def test_invalid_request_is_refused(
    api: str, settings: Settings, _: str, change: dict[str, Any], field: str, words: str
) -> None:
    problem = problem_of(submit(api, {**VALID, **change}), 422)
    (found,) = problem["problems"]
    assert found["field"] == field
    assert words in found["message"]
    assert problem["detail"] == f"{field}: {found['message']}"
    assert traces(settings.redis_url or "") == []


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b'{"provider": ', AS_JSON, 400, "not JSON; send one JSON object"),
        (b'{"provider": "\xff"}', AS_JSON, 400, "pars"),
        (
            gzip.compress(b"{}", mtime=0),
            {**AS_JSON, "Content-Encoding": "gzip"},
            400,
            "Content-Encoding",
        ),
        (b"", AS_JSON, 422, "body: "),
        (b"[]", AS_JSON, 422, "body: send one JSON object"),
        (b"{}", AS_JSON, 422, "provider: "),
        (b'{"provider": 7}', AS_JSON, 422, "provider: Input should be a valid string"),
        (b'{"provider": "x", "promt": "y"}', AS_JSON, 422, "promt: unknown field; known: provider"),
        (json.dumps(VALID).encode(), {}, 422, "Content-Type: application/json"),
    ],
)
def test_malformed_body_is_refused(
    api: str, settings: Settings, body: bytes, headers: Any, status: int, words: str
) -> None:
    assert words in problem_of(submit(api, body, headers), status)["detail"]
    assert traces(settings.redis_url or "") == []


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/jobs?state=done", 422, "state: Input should be 'queued'"),
        ("GET", "/v1/jobs?provider=acedata-flx", 422, "provider: unknown provider; did you mean"),
        ("GET", "/v1/jobs?limit=0", 422, "limit: "),
        ("GET", "/v1/jobs?limit=501", 422, "limit: "),
        ("GET", "/v1/jobs/job_none", 404, "no job job_none"),
        ("POST", "/v1/jobs/job_none/cancel", 404, "no job job_none"),
        ("POST", "/v1/jobs/job_none/retry", 404, "no job job_none"),
        ("GET", "/v1/jobs/job_none/images/0", 404, "no job job_none"),
        ("GET", "/v1/jobs/job_none/images/first", 422, "n: Input should be a valid integer"),
        ("GET", "/nowhere", 404, "Not Found"),
        ("PUT", "/v1/jobs", 405, "Method Not Allowed"),
    ],
)
def test_invalid_path_or_query_is_refused(
    api: str, method: str, path: str, status: int, words: str
) -> None:
    answer = requests.request(method, f"{api}{path}", timeout=30)
    assert words in problem_of(answer, status)["detail"]
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    "metadata",
    [
        b'{"x":' * 255 + b"1" + b"}" * 255,
        b'{"x":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"x": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"x": NaN}',
        b'{"x": -Infinity}',
        b'{"x": 1e999}',
        b'{"x": ' + b"9" * 30 + b"}",
        b'{"x": ' + b"9" * 5000 + b"}",
    ],
    ids=["deep", "deeper", "surrogate", "key", "nan", "inf", "overflow", "long", "longer"],
)
@pytest.mark.parametrize("field", [b"metadata", b"params"])
def test_json_that_cannot_be_serialized_is_refused(
    api: str, settings: Settings, metadata: bytes, field: bytes
) -> None:
    job = b'{"provider": "acedata-flux", "prompt": "a cat", "%s": %s}' % (field, metadata)
    lines = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "key"}
    problem_of(submit(api, job), 422 if len(metadata) < 5000 else 400)
    for body, headers in ((b'{"items": [%s]}' % job, {**lines, **AS_JSON}), (job, lines)):
        answer = requests.post(f"{api}/v1/batches?on_error=skip", body, headers=headers, timeout=30)
        assert answer.status_code in (400, 422)
    assert requests.get(f"{api}/v1/jobs", timeout=30).json()["jobs"] == []
    assert traces(settings.redis_url or "") == []


@pytest.mark.parametrize("name", ["open", "probe", "quarantine:bytes", "changes", "once:x"])
@pytest.mark.parametrize("path", ["", "/events", "/images/0", "?wait=1"])
def test_id_that_names_another_key_is_not_found(
    api: str, settings: Settings, name: str, path: str
) -> None:
    with redis.Redis.from_url(settings.redis_url or "") as client:
        client.set("iq:probe", "1")
        client.hset("iq:open", "x", "1")
    answer = requests.get(f"{api}/v1/jobs/{name}{path}", timeout=30)
    assert f"no job {name}" in problem_of(answer, 404)["detail"]


def test_batch_id_that_names_another_key_is_not_found(api: str, settings: Settings) -> None:
    sent = {"items": [VALID]}
    batch = requests.post(f"{api}/v1/batches", json=sent, timeout=30).json()["id"]
    with redis.Redis.from_url(settings.redis_url or "") as client:
        eventually(lambda: client.llen("submit"))  # or the message may come in the next test
    for path in (f"{batch}:jobs", f"{batch}:jobs/jobs"):
        problem_of(requests.get(f"{api}/v1/batches/{path}", timeout=30), 404)


def test_missing_provider_key_names_its_variable(overrides: dict[str, str]) -> None:
    del overrides["acedata_api_key"]
    with serving(create_app(read_settings(**overrides))) as api:
        problem = problem_of(submit(api, VALID), 503)
    assert problem["detail"] == "no key for acedata: set IMAGEQUEUE_ACEDATA_API_KEY"
    assert traces(overrides["redis_url"]) == []


def serve_for_real(start: Start, **env: str) -> tuple[Process, str]:
    port = free_port()
    process = start("uvicorn", "imagequeue.producer.api:app", "--port", str(port), **env)
    return process, f"http://127.0.0.1:{port}"


def test_redis_outage_is_a_503_until_it_returns(
    start: Start, overrides: dict[str, str], tmp_path: Path
) -> None:
    server = EmbeddedRedis(read_settings(data_dir=tmp_path / "own"))
    overrides["redis_url"] = server.start()
    process, api = serve_for_real(start)
    process.wait_for("startup complete")
    assert problem_of(submit(api, b"{"), 400)
    server.stop()
    for answer in (submit(api, VALID), requests.get(f"{api}/readyz", timeout=30)):
        assert "check IMAGEQUEUE_REDIS_URL" in problem_of(answer, 503)["detail"]
    server.start()
    try:
        assert traces(server.url) == []
        eventually(lambda: submit(api, VALID).status_code == 202)
    finally:
        server.stop()


def test_api_does_not_start_on_an_unfit_redis(
    start: Start, overrides: dict[str, str], tmp_path: Path
) -> None:
    with evicting_redis(tmp_path) as evicting:
        for url, status, words in [
            # An outage may be short, so the exit status allows a restart.
            ("unix:///nowhere/redis.sock", 1, "Redis does not answer"),
            (evicting, 2, "this Redis may evict jobs (maxmemory-policy allkeys-lru)"),
        ]:
            process, _ = serve_for_real(start, IMAGEQUEUE_REDIS_URL=url)
            assert process.popen.wait(60) == status
            (line,) = process.output.splitlines()
            assert line.startswith(f"imagequeue: {words}")
        assert traces(evicting) == []
