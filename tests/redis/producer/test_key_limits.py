"""What a key may spend: retries count against its limit, and its priority is bounded."""

from typing import Any

import pytest

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from support.callers import REQUEST, Ask, change, fail, submit


@pytest.mark.parametrize("is_page", [False, True])
def test_paid_retry_counts_against_the_limit(ask: Ask, ctx: Context, is_page: bool) -> None:
    jobs = [submit(ask, "limited") for _ in range(2)]
    fail(ctx, jobs[0])
    options: dict[str, Any] = {"json": {"pay_again": True}}
    prefix = "/v1"
    if is_page:
        options, prefix = {"data": {"pay_again": "yes"}, "page": True}, ""
    answer = ask("limited", "POST", f"{prefix}/jobs/{jobs[0]}/retry", **options)
    assert answer.status_code == 429
    assert ctx.store.get(jobs[0]).state is State.FAILED
    # The limit is that of the key that asks for the retry.
    assert ask("admin", "POST", f"{prefix}/jobs/{jobs[0]}/retry", **options).ok
    assert ctx.store.get(jobs[0]).state is State.QUEUED


def test_paid_bulk_retry_counts_against_the_limit(ask: Ask, ctx: Context) -> None:
    jobs = [submit(ask, "limited") for _ in range(2)]
    for job in jobs:
        fail(ctx, job)
    report = change(ask, "limited", "retry", ids=jobs, pay_again=True)
    assert (report["changed"], report["reasons"][0]["jobs"]) == (0, 2)
    assert "is beyond the limits of the API key: this key may" in report["reasons"][0]["why"]
    # The limit is that of the key that asks for the retry.
    assert change(ask, "admin", "retry", ids=jobs, pay_again=True)["changed"] == 2


def test_priority_above_that_of_the_key_is_refused(ask: Ask) -> None:
    urgent = {**REQUEST, "priority": "high"}
    answer = ask("shop", "POST", "/v1/jobs", json=urgent)
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert (problem["field"], "the API key shop allows normal" in problem["message"]) == (
        "priority",
        True,
    )
    batch = {"items": [urgent, {**REQUEST, "priority": "low"}], "on_error": "skip"}
    answer = ask("shop", "POST", "/v1/batches", json=batch)
    assert answer.status_code == 202
    assert [each["index"] for each in answer.json()["refused"]] == [0]
    assert ask("admin", "POST", "/v1/jobs", json=urgent).json()["priority"] == "high"
