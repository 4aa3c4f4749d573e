"""Whatever is wrong, the API answers a problem document that says what to change."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue.config.settings import Settings, read_settings
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import free_port
from support.asgi import serving
from support.bad_requests import BAD_REQUESTS, GOOD, NAMES
from support.processes import Process, eventually
from support.redis import evicting_redis, traces

AS_JSON = {"Content-Type": "application/json"}

Start = Callable[..., Process]


@pytest.fixture
def api(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as url:
        yield url


def submit(api: str, body: bytes | dict[str, Any], headers: Any = AS_JSON) -> requests.Response:
    data = json.dumps(body) if isinstance(body, dict) else body
    return requests.post(f"{api}/v1/jobs", data, headers=headers, timeout=30)


def problem_of(answer: requests.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem


@pytest.mark.parametrize(("_", "change", "field", "words"), BAD_REQUESTS, ids=NAMES)
def test_a_bad_request_is_refused_whole(
    api: str, settings: Settings, _: str, change: dict[str, Any], field: str, words: str
) -> None:
    problem = problem_of(submit(api, {**GOOD, **change}), 422)
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
        (b"", AS_JSON, 422, "body: "),
        (b"[]", AS_JSON, 422, "body: send one JSON object"),
        (b"{}", AS_JSON, 422, "provider: "),
        (b'{"provider": 7}', AS_JSON, 422, "provider: Input should be a valid string"),
        (b'{"provider": "x", "promt": "y"}', AS_JSON, 422, "promt: unknown field; known: provider"),
        (json.dumps(GOOD).encode(), {}, 422, "Content-Type: application/json"),
    ],
)
def test_a_malformed_body_is_refused(
    api: str, settings: Settings, body: bytes, headers: Any, status: int, words: str
) -> None:
    assert words in problem_of(submit(api, body, headers), status)["detail"]
    assert traces(settings.redis_url or "") == []


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/jobs?state=done", 422, "state: Input should be 'queued'"),
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
def test_a_bad_path_or_query_is_refused(
    api: str, method: str, path: str, status: int, words: str
) -> None:
    answer = requests.request(method, f"{api}{path}", timeout=30)
    assert words in problem_of(answer, status)["detail"]
    assert ("Allow" in answer.headers) is (status == 405)


def test_without_a_key_for_the_provider_the_variable_is_named(overrides: dict[str, str]) -> None:
    del overrides["acedata_api_key"]
    with serving(create_app(read_settings(**overrides))) as api:
        problem = problem_of(submit(api, GOOD), 503)
    assert problem["detail"] == "no key for acedata: set IMAGEQUEUE_ACEDATA_API_KEY"
    assert traces(overrides["redis_url"]) == []


def serve_for_real(start: Start, **env: str) -> tuple[Process, str]:
    port = free_port()
    process = start("uvicorn", "imagequeue.producer.api:app", "--port", str(port), **env)
    return process, f"http://127.0.0.1:{port}"


def test_redis_going_away_is_a_503_and_its_return_ends_it(
    start: Start, overrides: dict[str, str], tmp_path: Path
) -> None:
    redis = EmbeddedRedis(read_settings(data_dir=tmp_path / "own"))
    overrides["redis_url"] = redis.start()
    process, api = serve_for_real(start)
    process.wait_for("startup complete")
    assert problem_of(submit(api, b"{"), 400)
    redis.stop()
    for answer in (submit(api, GOOD), requests.get(f"{api}/healthz", timeout=30)):
        assert "check IMAGEQUEUE_REDIS_URL" in problem_of(answer, 503)["detail"]
    redis.start()
    try:
        assert traces(redis.url) == []
        eventually(lambda: submit(api, GOOD).status_code == 202)
    finally:
        redis.stop()


def test_the_api_does_not_start_without_a_redis_that_is_fit(
    start: Start, overrides: dict[str, str], tmp_path: Path
) -> None:
    with evicting_redis(tmp_path) as evicting:
        for url, status, words in [
            # It may be back soon: whoever started the API may start it again.
            ("unix:///nowhere/redis.sock", 1, "Redis does not answer"),
            (evicting, 2, "this Redis may evict jobs (maxmemory-policy allkeys-lru)"),
        ]:
            process, _ = serve_for_real(start, IMAGEQUEUE_REDIS_URL=url)
            assert process.popen.wait(60) == status
            (line,) = process.output.splitlines()
            assert line.startswith(f"imagequeue: {words}")
        assert traces(evicting) == []
