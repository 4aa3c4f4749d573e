"""Times, durations and texts that JSON allows and nothing can use are refused by the API."""

from typing import Any

import pytest
import requests

JOB: dict[str, Any] = {"provider": "kie-flux-kontext", "prompt": "a cat"}
HALF = "\ud800"

REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("late start", "jobs", {**JOB, "not_before": "2999-01-01T00:00:00Z"}, "not_before"),
    ("last start", "jobs", {**JOB, "not_before": "9999-12-31T23:00:00-14:00"}, "not_before"),
    ("long reuse", "jobs", {**JOB, "reuse": "999999d"}, "reuse"),
    ("longest reuse", "jobs", {**JOB, "reuse": "999999999d"}, "reuse"),
    ("half an id", "jobs:cancel", {"ids": [HALF]}, "ids.0"),
    ("half a batch", "jobs:cancel", {"filter": {"batch": HALF}}, "filter.batch"),
    ("half a caller", "jobs:cancel", {"filter": {"caller": HALF}}, "filter.caller"),
    ("half a provider", "jobs:cancel", {"filter": {"provider": HALF}}, "provider"),
    ("long since", "jobs:cancel", {"filter": {"since": "999999d"}}, "filter.since"),
    ("half a since", "jobs:cancel", {"filter": {"since": HALF}}, "filter.since"),
    ("half a pause", "pauses", {"name": HALF}, "name"),
    ("half a reason", "pauses", {"name": "all", "reason": HALF}, "reason"),
    ("half a field", "jobs", {**JOB, HALF: 1}, ""),
    ("half a field of a filter", "jobs:cancel", {"filter": {HALF: 1}}, ""),
    ("half a job's provider", "jobs", {**JOB, "provider": HALF}, "provider"),
    ("half an action", "jobs", {**JOB, "action": HALF}, "action"),
    ("half a fallback", "jobs", {**JOB, "fallback": [{"provider": HALF}]}, "fallback.0.provider"),
    ("half an item key", "batches", {"items": [{**JOB, "idempotency_key": HALF}]}, "items.0."),
    ("half a field of an item", "batches", {"items": [{**JOB, HALF: 1}]}, ""),
    (
        "unknown field of a fallback",
        "jobs",
        {**JOB, "fallback": [{"provider": "kie", "x": 1}]},
        "unknown field; known: provider, params",
    ),
    (
        "unknown field of a pause",
        "pauses",
        {"name": "all", "until": "2h"},
        "until: unknown field; /docs",
    ),
    (
        "unknown field of a retry",
        "jobs/job_1/retry",
        {"payagain": True},
        "payagain: unknown field; /docs",
    ),
    ("unknown field of a batch", "batches", {"items": [JOB], "x": 1}, "x: unknown field; /docs"),
    ("unknown field of a filter", "jobs:retry", {"filter": {"x": 1}}, "x: unknown field; /docs"),
]
# Past times and times of any age are no mistake.
ACCEPTED: list[tuple[str, dict[str, Any], int]] = [
    ("jobs", {**JOB, "not_before": "0001-01-01T00:00:00+14:00"}, 202),
    ("jobs", {**JOB, "reuse": "36500d"}, 202),
    ("jobs:cancel", {"filter": {"since": "0001-01-01T00:00:00+14:00"}}, 200),
    ("jobs:cancel", {"filter": {"since": "9999-12-31T23:00:00-14:00"}}, 200),
    ("jobs:cancel", {"filter": {"since": "36500d"}}, 200),
]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [each[1:] for each in REFUSED],
    ids=[each[0].replace(" ", "_") for each in REFUSED],
)
def test_extreme_value_is_refused(site: str, path: str, body: dict[str, Any], field: str) -> None:
    answer = requests.post(f"{site}/v1/{path}", json=body, timeout=30)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["detail"]


@pytest.mark.parametrize(("path", "body", "status"), ACCEPTED)
def test_time_of_any_age_is_accepted(
    site: str, path: str, body: dict[str, Any], status: int
) -> None:
    assert requests.post(f"{site}/v1/{path}", json=body, timeout=30).status_code == status


@pytest.mark.parametrize(
    "query",
    [
        "costs?until=0001-01-01",
        "costs?since=9999-12-31",
        "costs?since=0001-01-01",
        "costs?since=0001-01-01&until=9999-12-31",
        "costs?batch=%ED%A0%80",
        "costs?by=%ED%A0%80",
        "jobs?cursor=%ED%A0%80",
        "jobs?provider=%ED%A0%80",
        "jobs?limit=" + "9" * 5000,
        "jobs/%ED%A0%80",
        "batches/%ED%A0%80",
        "jobs/job_1?wait=1e400",
        "jobs/job_1?wait=nan",
        "providers/%ED%A0%80",
    ],
)
def test_extreme_query_is_no_error_of_the_server(site: str, query: str) -> None:
    answer = requests.get(f"{site}/v1/{query}", timeout=30)
    assert answer.status_code < 500
