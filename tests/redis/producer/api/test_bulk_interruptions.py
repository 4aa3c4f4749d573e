"""Bulk actions that are interrupted, repeated, limited, or overtaken by other changes."""

import json
from typing import Any

import pytest

from imagequeue import IdempotencyConflictError, JobFilter, LimitError, LocalClient
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer import bulk
from imagequeue.producer.api.routes.bulk import _iter_lines
from imagequeue.producer.bulk import BulkOptions
from imagequeue.producer.commands import Action
from imagequeue.worker.context import Context
from support.clock import Clock
from support.jobs import fail, failed, move, queued, states_of, unsaved


@pytest.fixture
def client(settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> LocalClient:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    return LocalClient(settings, clock)


def test_interrupted_action_is_finished_by_a_repetition(client: LocalClient, ctx: Context) -> None:
    ids = [queued(ctx) for _ in range(5)]
    chosen = JobFilter(state=State.QUEUED)
    next(client.iter_bulk(Action.CANCEL, chosen, BulkOptions()))
    assert sorted(states_of(ctx, *ids)) == [*["cancelled"] * 2, *["queued"] * 3]
    assert client.bulk("cancel", chosen).changed == 3


def test_repeated_retry_pays_for_no_job_twice(
    client: LocalClient, ctx: Context, clock: Clock
) -> None:
    ids = [failed(ctx) for _ in range(3)]
    clock.advance(60)
    chosen, options = JobFilter(state=State.FAILED), {"pay_again": True, "idempotency_key": "k"}
    step = next(client.iter_bulk(Action.RETRY, chosen, BulkOptions(key_owner="python", **options)))
    clock.advance(60)
    retried = [job.id for job in step.changed]
    for job_id in retried:
        fail(ctx, job_id)
    report = client.bulk("retry", chosen, **options)  # type: ignore[arg-type]
    assert (report.changed, report.unchanged) == (1, 2)
    assert "after the first request" in report.reasons[0].why
    assert sorted(states_of(ctx, *retried)) == ["failed", "failed"]
    assert len({*ids} - {*retried}) == 1
    with pytest.raises(IdempotencyConflictError):
        client.bulk("retry", ids, **options)  # type: ignore[arg-type]


def test_job_that_changes_meanwhile_is_judged_again(
    client: LocalClient, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [queued(ctx) for _ in range(2)]
    read = client._store.get_many

    def read_late(job_ids: Any) -> Any:
        jobs = read(job_ids)
        move(ctx, ids[0], State.SUBMITTING)
        return jobs

    monkeypatch.setattr(client._store, "get_many", read_late)
    report = client.bulk("cancel", ids)
    assert (report.changed, report.reasons[0].why) == (1, "is submitting: it cannot be cancelled")
    assert states_of(ctx, *ids) == ["submitting", "cancelled"]


def test_stopping_server_ends_the_stream_between_two_steps(
    client: LocalClient, ctx: Context
) -> None:
    ids = [queued(ctx) for _ in range(4)]
    steps = client.iter_bulk(Action.CANCEL, ids, BulkOptions())
    (line,) = _iter_lines(next(steps), steps, lambda: True)
    assert (json.loads(line)["finished"], json.loads(line)["done"]) == (False, 2)


def test_error_between_two_steps_is_the_last_line(
    client: LocalClient, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [queued(ctx) for _ in range(4)]
    steps = client.iter_bulk(Action.CANCEL, ids, BulkOptions())
    first = next(steps)
    ctx.store.redis.config_set("min-replicas-to-write", 1)
    try:
        *_, last = _iter_lines(first, steps, lambda: False)
    finally:
        ctx.store.redis.config_set("min-replicas-to-write", 0)
    assert (json.loads(last)["finished"], json.loads(last)["done"]) == (False, 2)
    assert "Redis" in json.loads(last)["error"]
    assert client.bulk("cancel", ids).changed == 2


def test_unreadable_job_stops_no_other(client: LocalClient, ctx: Context) -> None:
    broken, ids = queued(ctx), [queued(ctx) for _ in range(2)]
    ctx.store.redis.set(f"iq:{broken}", "{")
    report = client.bulk("cancel", [broken, *ids])
    assert (report.changed, report.reasons[0].why) == (2, "cannot be read")


def test_as_many_jobs_are_paid_for_as_the_limits_allow(
    client: LocalClient, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 5)
    ids = [failed(ctx) for _ in range(8)]
    free, left = unsaved(ctx), [3]

    def acquire(jobs: int) -> None:
        if jobs > left[0]:
            raise LimitError("too many")
        left[0] -= jobs

    options = BulkOptions(pay_again=True, acquire=acquire)
    *_, last = client.iter_bulk(Action.RETRY, [*ids, free], options)
    assert states_of(ctx, *ids, free) == [*["queued"] * 3, *["failed"] * 5, "downloading"]
    assert (last.report.changed, last.report.unchanged, left) == (4, 5, [0])
    assert last.report.reasons[0].why == "is beyond the limits of the API key: too many"
