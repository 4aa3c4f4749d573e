"""Filters of jobs: what they accept, and which jobs match."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.filter import parse_filter
from imagequeue.jobs.ids import first_job_id
from imagequeue.jobs.job import JobError, Reason, State, new_job

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00+02:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("36500d", NOW - timedelta(days=36500)),
    ],
)
def test_since_is_a_time_or_a_duration(text: str, start: datetime) -> None:
    assert parse_filter({"since": text}).find_start(NOW) == start


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "filter: give at least one of batch, state"),
        ({"batch": None}, "give at least one of"),
        ({"since": "yesterday"}, "since: must be a time such as"),
        ({"since": "999999999d"}, "since: must be a time such as"),
        ({"since": 5}, "since: must be a time such as"),
        ({"since": "٣d"}, "since: must be a time such as"),
        ({"state": "quewed"}, "state: "),
        ({"reason": "bad luck"}, "reason: "),
        ({"provider": "kie-flux-kontex"}, "did you mean kie-flux-kontext"),
        ({"stat": "queued"}, "stat: "),
        ({"words": " "}, "words: "),
        ({"provider": ""}, "unknown provider"),
    ],
)
def test_invalid_filter_says_what_to_change(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse_filter(fields)


def test_every_field_has_to_match() -> None:
    job = new_job(
        NOW,
        state=State.FAILED,
        provider="acedata-flux",
        action="generate",
        delivery="poll",
        batch="batch_1",
        submitted_by="shop",
        error=JobError(reason=Reason.CREDIT),
    )
    same = {"state": "failed", "batch": "batch_1", "caller": "shop", "reason": "credit"}
    assert parse_filter(same).matches(job)
    for name, other in (("state", "queued"), ("caller", "x"), ("reason", "auth"), ("batch", "x")):
        assert not parse_filter({**same, name: other}).matches(job)


def test_ids_sort_by_the_time_of_their_creation() -> None:
    before, at, after = (
        new_job(NOW + timedelta(seconds=s), provider="x", action="x", delivery="poll").id
        for s in (-1, 0, 1)
    )
    assert before < first_job_id(NOW) <= at < after
    assert first_job_id(datetime(1, 1, 2, tzinfo=UTC)) < before
