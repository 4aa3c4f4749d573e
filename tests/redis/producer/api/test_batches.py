"""Batches over HTTP: all items or the valid ones, and every problem listed."""

import json
from typing import Any

import pytest
import requests

from imagequeue import LocalClient
from imagequeue.config.settings import Settings
from imagequeue.errors import UnknownBatchError
from imagequeue.jobs.job import State
from imagequeue.producer.api import body_limit
from imagequeue.producer.submission import MAX_IN_BATCH
from imagequeue.worker.context import Context
from support.batches import GOOD, numbered, post
from support.callers import Ask
from support.cli import imagequeue
from support.processes import eventually
from support.redis import traces

BAD: dict[str, Any] = {"provider": "acedata-flux", "prompt": "", "params": {"sise": "1:1"}}
LINES = {"Content-Type": "application/jsonl"}


@pytest.fixture
def api(site: str) -> str:
    return f"{site}/v1/batches"


@pytest.fixture
def client(settings: Settings) -> LocalClient:
    return LocalClient(settings)


def post_lines(api: str, *lines: object, on_error: str = "refuse") -> requests.Response:
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    params = {"on_error": on_error}
    return requests.post(api, body.encode(), headers=LINES, params=params, timeout=60)


def test_batch_is_accepted_with_its_jobs_in_order(api: str, ctx: Context) -> None:
    answer = post(api, numbered(3))
    assert answer.status_code == 202
    batch = answer.json()
    assert (batch["total"], batch["progress"], batch["refused"]) == (3, {"queued": 3}, [])
    jobs = ctx.store.get_many(batch["jobs"])
    assert [job.metadata["n"] for job in jobs] == [0, 1, 2]
    assert {job.batch for job in jobs} == {batch["id"]}
    eventually(lambda: ctx.store.redis.llen("submit") == 3)


def test_progress_counts_the_jobs_by_state(api: str, ctx: Context) -> None:
    batch = post(api, numbered(3)).json()
    for state in (State.SUBMITTING, State.FAILED):
        ctx.store.transition(
            ctx.store.get(batch["jobs"][1]),
            lambda j, state=state: j.transition_to(state, "test", ctx.now(), ctx.now()),
        )
    seen = requests.get(f"{api}/{batch['id']}", timeout=30).json()
    assert (seen["progress"], seen["total"], seen["ended"]) == ({"queued": 2, "failed": 1}, 3, 1)


def test_batches_are_listed_newest_first_with_their_costs(api: str, ctx: Context) -> None:
    ids = [post(api, numbered(count)).json()["id"] for count in (1, 2, 3)][::-1]
    found, cursor = [], None
    for size in (2, 1):
        page = requests.get(api, params={"limit": 2, "cursor": cursor}, timeout=30).json()
        assert len(page["batches"]) == size
        found += page["batches"]
        cursor = page["cursor"]
    assert ([each["id"] for each in found], cursor) == (ids, None)
    assert [each["progress"] for each in found] == [{"queued": count} for count in (3, 2, 1)]
    assert [each["spent_usd"] for each in found] == [0] * 3
    assert found[0]["estimated_usd"] == pytest.approx(3 * found[2]["estimated_usd"])
    refused = requests.get(api, params={"cursor": "2"}, timeout=30)
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (422, "cursor")


def test_batches_of_others_are_not_listed(ask: Ask) -> None:
    made = {
        name: ask(name, "POST", "/v1/batches", json={"items": numbered(1)}).json()["id"]
        for name in ("shop", "other")
    }
    listed = [
        [each["id"] for each in ask(name, "GET", "/v1/batches").json()["batches"]]
        for name in ("shop", "admin")
    ]
    assert listed == [[made["shop"]], [made["other"], made["shop"]]]


def test_batch_jobs_are_paged_oldest_first(api: str) -> None:
    batch = post(api, numbered(5)).json()
    found, cursor = [], None
    for size in (2, 2, 1):
        params = {"limit": 2, "cursor": cursor}
        page = requests.get(f"{api}/{batch['id']}/jobs", params=params, timeout=30).json()
        assert len(page["jobs"]) == size
        found += [job["id"] for job in page["jobs"]]
        cursor = page["cursor"]
    assert (found, cursor) == (sorted(batch["jobs"]), None)
    refused = requests.get(f"{api}/{batch['id']}/jobs", params={"cursor": "2"}, timeout=30)
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (422, "cursor")


def test_one_invalid_item_refuses_the_batch(api: str, redis_url: str) -> None:
    answer = post(api, [GOOD, BAD, 7, GOOD, {**GOOD, "action": "upscale"}])
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == [
        "items.1.prompt",
        "items.1.params.sise",
        "items.2.request",
        "items.4.action",
    ]
    assert traces(redis_url) == []


def test_problems_of_json_lines_name_the_line(api: str, redis_url: str) -> None:
    answer = post_lines(api, GOOD, "", BAD, "{oops", GOOD)
    assert answer.status_code == 422
    fields = [problem["field"] for problem in answer.json()["problems"]]
    assert fields == ["line 3: prompt", "line 3: params.sise", "line 4: request"]
    assert traces(redis_url) == []


def test_invalid_items_are_skipped_on_request(api: str, ctx: Context) -> None:
    batch = post(api, [GOOD, BAD, GOOD], on_error="skip").json()
    assert (batch["total"], [bool(job_id) for job_id in batch["jobs"]]) == (2, [True, False, True])
    (refused,) = batch["refused"]
    assert (refused["index"], refused["line"]) == (1, None)
    assert [problem["field"] for problem in refused["problems"]] == ["prompt", "params.sise"]
    (refused,) = post_lines(api, GOOD, "", "nonsense", on_error="skip").json()["refused"]
    assert (refused["index"], refused["line"]) == (1, 3)
    assert ctx.store.count_by_state()[State.QUEUED] == 3
    # The API sends messages after its answer: none may reach the Redis of the next test.
    eventually(lambda: ctx.store.redis.llen("submit") == 3)


def test_batch_without_a_valid_item_is_refused(api: str, redis_url: str) -> None:
    assert post(api, [BAD], on_error="skip").status_code == 422
    assert traces(redis_url) == []


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b"[]", "application/json", 422, "body: "),
        (b'{"items": []}', "application/json", 422, "items: a batch has 1 to 5000 items"),
        (b'{"items": [], "on_eror": 1}', "application/json", 422, "on_eror: "),
        (b'{"items": {}, "on_error": "x"}', "application/json", 422, "'refuse' or 'skip'"),
        (b"\n\n", "application/x-ndjson", 422, "items: a batch has 1 to 5000 items"),
        (b"{}\n" * (MAX_IN_BATCH + 1), "application/jsonl", 422, "this one 5001"),
        (b"provider,prompt", "text/csv", 415, "application/jsonl"),
    ],
)
def test_body_that_is_no_batch_is_refused(
    api: str, redis_url: str, body: bytes, kind: str, status: int, words: str
) -> None:
    answer = requests.post(api, body, headers={"Content-Type": kind}, timeout=30)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert traces(redis_url) == []


@pytest.mark.parametrize("declared", [True, False])
def test_too_large_body_is_refused(site: str, redis_url: str, declared: bool) -> None:
    body = json.dumps(GOOD).encode().ljust(body_limit.MAX_BYTES + 1)
    data = body if declared else iter([body])
    answer = requests.post(f"{site}/v1/jobs", data, headers=LINES, timeout=30)
    assert (answer.status_code, "bytes" in answer.json()["detail"]) == (413, True)
    assert traces(redis_url) == []


def test_batch_counts_against_the_key_limits(
    api: str, overrides: dict[str, str], ctx: Context
) -> None:
    key = imagequeue("keys", "add", "shop", "--per-minute", "4", settings=overrides).out.strip()
    headers = {"Authorization": f"Bearer {key}"}
    answers = [
        requests.post(api, json={"items": numbered(3)}, headers=headers, timeout=30)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert int(answers[1].headers["Retry-After"]) > 0
    assert ctx.store.count_by_state()[State.QUEUED] == 3


def test_unknown_batch_is_a_404_and_an_error(api: str, client: LocalClient) -> None:
    for path in ("batch_none", "batch_none/jobs"):
        answer = requests.get(f"{api}/{path}", timeout=30)
        assert (answer.status_code, "no batch" in answer.json()["detail"]) == (404, True)
    with pytest.raises(UnknownBatchError):
        client.batch("batch_none")
