"""The ledger in Redis: entries go with their transitions, and sums with the entries."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from imagequeue.jobs.job import Job, State, new_job
from imagequeue.providers.wire import Failed, ResultImage, Succeeded
from imagequeue.store import deletion
from imagequeue.store.compare_and_set import CompareAndSet
from imagequeue.store.money import keys as money_keys
from imagequeue.store.money.ledger import Ledger
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from imagequeue.worker.sweep import sweep

DAY = date(2026, 11, 20)
DONE = Succeeded(images=(ResultImage(url="https://a.example/0.png"),), cost=Decimal("3.5"))


@pytest.fixture
def archive_url() -> str:
    return "none"


@pytest.fixture
def overrides(overrides: dict[str, str], archive_url: str) -> dict[str, str]:
    return overrides | {"archive_url": archive_url}


@pytest.fixture
def ledger(ctx: Context) -> Ledger:
    return Ledger(ctx.store.redis)


def accepted(ctx: Context, **fields: Any) -> Job:
    given: dict[str, Any] = {"provider": "kie", "params": {"model": "z-image"}} | fields
    job = new_job(
        ctx.now(), action="generate", delivery="poll", estimate=4_000_000, submissions=1, **given
    )
    ctx.store.add([job])
    for state in (State.SUBMITTING, State.WAITING):
        job = ctx.store.transition(
            job,
            lambda job, state=state: job.transition_to(
                state, "test", ctx.now(), ctx.now(), task_id="t", account_key="main"
            ),
        )
    return job


def report(ledger: Ledger, *by: str, caller: str | None = None) -> list[dict[str, Any]]:
    return [row.to_fields() for row in ledger.sum_days(DAY, DAY, by, caller)]


def test_costs_are_summed_by_every_dimension(ctx: Context, ledger: Ledger) -> None:
    accepted(ctx, submitted_by="shop")
    apply_status(ctx, accepted(ctx, submitted_by="a|b"), DONE, "poll")
    dimensions = ("day", "provider", "model", "key", "caller")
    shop = {"day": "2026-11-20", "provider": "kie", "model": "z-image", "key": "main"}
    assert report(ledger, *dimensions) == [
        shop
        | {"caller": "a|b", "tasks": 1, "usd": 0.0175, "estimated_usd": 0, "unknown_usd": 0}
        | {"credits": 3.5, "unpriced": 0},
        shop
        | {"caller": "shop", "tasks": 1, "usd": 0.02, "estimated_usd": 0.02, "unknown_usd": 0}
        | {"credits": 4, "unpriced": 0},
    ]
    assert [row["usd"] for row in report(ledger, "day")] == [0.0375]
    assert [row["usd"] for row in report(ledger, "day", caller="shop")] == [0.02]


def test_correction_is_a_second_entry(ctx: Context, ledger: Ledger) -> None:
    job = apply_status(ctx, accepted(ctx), DONE, "poll")
    entries = list(ledger.iter_entries())
    assert {job_id for job_id, _ in entries} == {job.id}
    assert [entry["credits"] for _, entry in entries] == [-500_000, 4_000_000]


def test_refund_takes_the_cost_back(ctx: Context, ledger: Ledger) -> None:
    failed = Failed(reason="provider", code="500", message="", cost=Decimal(0))
    apply_status(ctx, accepted(ctx), failed, "poll")
    assert report(ledger, "day") == []
    assert ledger.get_spent("2026-11")["usd"] == 0


def test_costs_of_a_batch_and_of_a_month_are_summed(ctx: Context, ledger: Ledger) -> None:
    batch = "batch_01JD0000000000000000000000"
    apply_status(ctx, accepted(ctx, batch=batch, submitted_by="shop"), DONE, "poll")
    assert ledger.sum_batch(batch).credits == 3_500_000
    assert ledger.get_spent("2026-11", "shop")["kie"] == 3_500_000
    assert ledger.get_spent("2026-11-20")["usd"] == 17_500


def test_entry_is_written_once_however_often_it_is_sent(ctx: Context, ledger: Ledger) -> None:
    job = accepted(ctx)
    after = job.transition_to(
        State.DOWNLOADING, "poll", ctx.now(), ctx.now(), Decimal("3.5"), images=()
    )
    write = CompareAndSet(ctx.store.redis)
    assert write(job, after) == write(job, after) == 1
    other = job.transition_to(State.DOWNLOADING, "callback", ctx.now(), ctx.now(), Decimal(9))
    assert write(job, other) == 0
    assert [row["credits"] for row in report(ledger, "provider")] == [3.5]


def test_too_many_days_are_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="400 days"):
        ledger.sum_days(date(2020, 1, 1), DAY, ["day"])


@pytest.mark.parametrize(
    ("archive_url", "is_trimmed"), [("none", True), ("sqlite:////away/archive.sqlite", False)]
)
def test_entries_that_are_not_archived_stay(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, *, is_trimmed: bool
) -> None:
    monkeypatch.setattr(deletion, "MAX_LEDGER_ENTRIES", 1)
    # Redis trims by the hundred.
    for _ in range(100):
        ctx.store.redis.xadd(money_keys.LEDGER, {"job": "job_1", "entry": "{}"})
    accepted(ctx)
    sweep(ctx)
    assert ctx.store.redis.xlen(money_keys.LEDGER) == (1 if is_trimmed else 101)
