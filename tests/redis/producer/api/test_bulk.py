"""Bulk actions over HTTP and in Python: many jobs are cancelled, retried or acknowledged."""

import json
from typing import Any

import pytest
import requests

from imagequeue import JobFilter, LocalClient
from imagequeue.config.settings import Settings
from imagequeue.errors import InvalidRequestError, UnknownBatchError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import Reason, State
from imagequeue.producer import bulk
from imagequeue.providers.request import JobRequest
from imagequeue.worker.context import Context
from support.clock import Clock
from support.jobs import fail, failed, move, queued, states_of, unsaved

UNKNOWN = "job_01JD0000000000000000000000"


@pytest.fixture(autouse=True)
def _small_chunks(overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    overrides["webhook_secret"] = "whsec_" + "a" * 32
    monkeypatch.setattr(bulk, "CHUNK", 2)


@pytest.fixture
def client(settings: Settings, clock: Clock) -> LocalClient:
    return LocalClient(settings, clock)


@pytest.fixture
def api(site: str) -> str:
    return f"{site}/v1/jobs"


def post(api: str, action: str, key: str = "", **body: Any) -> list[dict[str, Any]]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = requests.post(f"{api}:{action}", json=body, headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def add(ctx: Context, caller: str = "", **fields: Any) -> str:
    request = JobRequest(**{"provider": "kie-flux-kontext", "prompt": "a cat", **fields})
    job = build_job(ctx.settings, request, ctx.now(), submitted_by=caller)
    ctx.store.add([job])
    return job.id


def test_ids_are_cancelled_and_each_problem_is_reported(api: str, ctx: Context) -> None:
    waiting, done, last = queued(ctx), queued(ctx), queued(ctx)
    move(ctx, waiting, State.SUBMITTING, State.WAITING)
    move(ctx, done, State.SUBMITTING, State.DOWNLOADING, State.SUCCEEDED)
    ids = [waiting, done, UNKNOWN, "x", last, last]
    first, second, report = post(api, "cancel", ids=ids)
    assert states_of(ctx, waiting, done, last) == ["cancelled", "succeeded", "cancelled"]
    assert [each["id"] for each in first["problems"]] == [done]
    assert [each["id"] for each in second["problems"]] == [UNKNOWN, "x"]
    assert f"{done} is succeeded: it cannot be cancelled" == first["problems"][0]["message"]
    assert (first["finished"], report["finished"], report["problems"]) == (False, True, [])
    assert {key: report[key] for key in ("total", "done", "changed", "unchanged")} == {
        "total": 5,
        "done": 5,
        "changed": 2,
        "unchanged": 3,
    }
    assert [(each["charge"], each["jobs"]) for each in report["charges"]] == [
        ("nothing", 1),
        ("stands", 1),
    ]
    assert [(each["why"], each["jobs"]) for each in report["reasons"]] == [
        ("is not known", 2),
        ("is succeeded: it cannot be cancelled", 1),
    ]


def test_dry_run_counts_like_the_real_run_and_changes_nothing(api: str, ctx: Context) -> None:
    paid = [failed(ctx) for _ in range(3)]
    free, running = unsaved(ctx), queued(ctx)
    by = {"filter": {"provider": "kie-flux-kontext"}}
    before = [ctx.store.redis.dump(key) for key in sorted(ctx.store.redis.keys("iq:job_*"))]
    *_, planned = post(api, "retry", dry_run=True, pay_again=True, **by)
    assert before == [ctx.store.redis.dump(key) for key in sorted(ctx.store.redis.keys("iq:job_*"))]
    *_, done = post(api, "retry", pay_again=True, **by)
    assert {**planned, "dry_run": False} == done
    assert states_of(ctx, *paid, free, running) == [*["queued"] * 3, "downloading", "queued"]
    assert [(each["charge"], each["jobs"]) for each in done["charges"]] == [
        ("nothing", 1),
        ("again", 3),
    ]
    assert done["reasons"] == [{"why": "is queued: there is nothing to retry", "jobs": 1}]
    price = ctx.store.get(paid[0]).estimate
    assert price
    assert done["charges"][1]["usd"] == pytest.approx(3 * price / 1e6 * 0.005)


def test_retry_without_permission_pays_nothing(api: str, ctx: Context) -> None:
    paid, free = failed(ctx), unsaved(ctx)
    *_, report = post(api, "retry", ids=[paid, free])
    assert states_of(ctx, paid, free) == ["failed", "downloading"]
    assert "give pay_again to allow it" in report["reasons"][0]["why"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"state": "failed"}, {0, 1, 2}),
        ({"caller": "shop"}, {0, 2}),
        ({"provider": "acedata-flux"}, {1}),
        ({"reason": "credit"}, {0, 1}),
        ({"reason": "credit", "caller": "shop"}, {0}),
        ({"since": "2026-11-20T12:00:02Z"}, {2}),
        ({"since": "2026-11-20T12:00:02Z", "state": "failed", "reason": "auth"}, {2}),
        ({"state": "unconfirmed"}, set()),
        ({"words": "CAT acedata"}, {1}),
        ({"words": "cat dog"}, set()),
    ],
)
def test_filter_selects(
    client: LocalClient, ctx: Context, clock: Clock, chosen: dict[str, Any], expected: set[int]
) -> None:
    ids = []
    for caller, provider, reason in (
        ("shop", "kie-flux-kontext", Reason.CREDIT),
        ("", "acedata-flux", Reason.CREDIT),
        ("shop", "kie-flux-kontext", Reason.AUTH),
    ):
        job_id = add(ctx, caller, provider=provider, metadata={"at": provider})
        ids.append(fail(ctx, job_id, reason))
        clock.advance(1)
    report = client.bulk("retry", JobFilter(**chosen), pay_again=True)
    assert report.changed == len(expected)
    assert {n for n, job_id in enumerate(ids) if states_of(ctx, job_id) == ["queued"]} == expected


def test_batch_is_cancelled_with_its_progress(client: LocalClient, ctx: Context) -> None:
    item = {"provider": "acedata-flux", "prompt": "a cat"}
    batch = client.submit_batch([item] * 5).batch
    other = client.submit_batch([item]).batch
    seen: list[int] = []
    report = client.bulk(
        "cancel", JobFilter(batch=batch.id), on_progress=lambda each: seen.append(each.done)
    )
    assert (seen, report.total, report.changed, report.finished) == ([2, 4, 5], 5, 5, True)
    assert client.batch(batch.id).progress == {State.CANCELLED: 5}
    assert client.batch(other.id).progress == {State.QUEUED: 1}
    # Repeating it is safe.
    again = client.bulk("cancel", JobFilter(batch=batch.id))
    assert (again.changed, again.reasons[0].why) == (0, "is cancelled: it cannot be cancelled")
    with pytest.raises(UnknownBatchError):
        client.bulk("cancel", JobFilter(batch="batch_01JD0000000000000000000000"))


def test_jobs_that_end_are_reported_by_webhook(client: LocalClient, ctx: Context) -> None:
    ids = [add(ctx, webhook_url="https://example.com/hook") for _ in range(3)]
    client.bulk("cancel", ids)
    assert ctx.store.redis.llen("notify") == 3


def test_acknowledged_jobs_no_longer_count_as_unsaved(api: str, ctx: Context) -> None:
    ids = [unsaved(ctx) for _ in range(3)]
    answer = requests.post(f"{api}/{ids[0]}/acknowledge", timeout=30).json()
    assert (answer["state"], answer["error"]["reason"]) == ("failed", "unsaved")
    (*_, report) = post(api, "acknowledge", filter={"state": "unsaved"})
    assert [(each["charge"], each["jobs"]) for each in report["charges"]] == [("stands", 2)]
    counters = ctx.store.redis.hgetall("iq:counters")
    assert counters[b"jobs.unsaved.kie-flux-kontext"] == b"0"
    assert counters[b"failed.unsaved.kie-flux-kontext"] == b"3"
    *_, report = post(api, "retry", filter={"reason": "unsaved"})
    assert [(each["charge"], each["jobs"]) for each in report["charges"]] == [("nothing", 3)]
    assert states_of(ctx, *ids) == ["downloading"] * 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "give either ids or a filter"),
        ({"ids": [UNKNOWN], "filter": {"state": "queued"}}, "give either ids or a filter"),
        ({"ids": []}, "at least 1 item"),
        ({"filter": {}}, "give at least one of batch, state"),
        ({"filter": {"provider": "kie-flux"}}, "did you mean kie-flux-kontext"),
        ({"filter": {"since": "soon"}}, "filter.since: must be a time such as"),
        ({"filter": {"stat": "queued"}}, "filter.stat: unknown field; /docs shows"),
        ({"ids": [UNKNOWN], "dryrun": True}, "dryrun: unknown field; /docs shows"),
    ],
)
def test_invalid_request_is_refused(api: str, body: dict[str, Any], words: str) -> None:
    answer = requests.post(f"{api}:cancel", json=body, timeout=30)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text


def test_unknown_batch_and_action_are_refused(api: str) -> None:
    batch = {"filter": {"batch": "batch_01JD0000000000000000000000"}}
    assert requests.post(f"{api}:cancel", json=batch, timeout=30).status_code == 404
    assert requests.post(f"{api}:delete", json=batch, timeout=30).status_code == 422


def test_too_many_ids_are_refused(client: LocalClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_IDS", 1)
    for ids in ([], [UNKNOWN, "x"]):
        with pytest.raises(InvalidRequestError, match="give 1 to 1 ids"):
            client.bulk("cancel", ids)
