"""The quarantine: callbacks that could not be applied are stored, up to a limit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from imagequeue.jobs.callback import Callback, Outcome
from imagequeue.jobs.job import State, add_seconds
from imagequeue.store import callbacks, keys, streams
from imagequeue.store.counters import Counters
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from support.callbacks import (
    counted_bytes,
    list_quarantined,
    quarantine,
    quarantined_ids,
    receive,
    stored_bytes,
    waiting_job,
)
from support.clock import Clock
from support.jobs import kie_callback

URL = "https://a.example/r.png"


def ended(ctx: Context) -> str:
    job_id = waiting_job(ctx)
    receive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    return job_id


def removed(ctx: Context) -> str:
    job_id = waiting_job(ctx)
    receive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    expired_at = add_seconds(ctx.now(), ctx.settings.retention_s + 1)
    assert ctx.store.deletion.delete_expired(expired_at) == 1
    return job_id


@pytest.mark.parametrize(
    ("of", "body", "reason"),
    [
        (lambda _: "job_unknown", kie_callback(URL), Outcome.ORPHANED),
        (removed, kie_callback(URL), Outcome.ORPHANED),
        (ended, kie_callback("https://a.example/another.png"), Outcome.ORPHANED),
        (ended, kie_callback(code=500), Outcome.CONTRADICTED),
        (waiting_job, b"\xff no JSON", Outcome.UNREADABLE),
        (waiting_job, kie_callback(URL, task="another task"), Outcome.MISMATCHED),
    ],
    ids=["unknown job", "removed job", "another result", "failure", "no JSON", "another task"],
)
def test_unapplied_callback_is_quarantined_with_its_reason(
    ctx: Context, of: Callable[[Context], str], body: Any, reason: Outcome
) -> None:
    job_id = of(ctx)
    raw = receive(ctx, job_id, body)
    read_callbacks(ctx, job_id)
    assert list_quarantined(ctx) == [(job_id, reason, raw)]
    assert Counters(ctx.store.redis).read()[f"callbacks.{reason}"] == 1


class TestWhereKieSigns:
    @pytest.fixture
    def overrides(self, overrides: dict[str, str]) -> dict[str, str]:
        return {**overrides, "kie_webhook_hmac_key": "a key"}

    def test_unsigned_callback_is_quarantined(self, ctx: Context) -> None:
        job_id = waiting_job(ctx)
        raw = receive(ctx, job_id, kie_callback(URL))
        read_callbacks(ctx, job_id)
        assert list_quarantined(ctx) == [(job_id, Outcome.UNTRUSTED, raw)]
        assert ctx.store.get(job_id).state is State.WAITING


@pytest.mark.parametrize("body", [kie_callback(URL), kie_callback(code=500)])
def test_applied_callback_and_its_repeats_are_not_quarantined(
    ctx: Context, clock: Clock, body: dict[str, Any]
) -> None:
    job_id = waiting_job(ctx)
    for _ in range(3):
        clock.advance(1)
        receive(ctx, job_id, body)
        read_callbacks(ctx, job_id)
    assert list_quarantined(ctx) == []
    sums = Counters(ctx.store.redis).read()
    assert (sums["callbacks.settled"], sums["callbacks.duplicate"]) == (1, 2)


def test_too_many_entries_delete_the_oldest(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "MAX_ENTRIES", 3)
    quarantine(ctx, b"1", b"2", b"3", b"4", b"5")
    assert [body for *_, body in list_quarantined(ctx)] == [b"5", b"4", b"3"]
    assert counted_bytes(ctx) == stored_bytes(ctx) > 0


def test_too_many_bytes_delete_the_oldest(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "MAX_BYTES", 3000)
    quarantine(ctx, b"1" * 1000, b"2" * 1000, b"3" * 1000, b"4" * 10)
    assert [body[:1] for *_, body in list_quarantined(ctx)] == [b"4", b"3", b"2"]
    assert counted_bytes(ctx) == stored_bytes(ctx) <= 3000
    quarantine(ctx, b"5" * 4000)
    assert (list_quarantined(ctx), counted_bytes(ctx)) == ([], 0)


def test_entry_past_retention_is_deleted(ctx: Context) -> None:
    old = Callback(datetime.fromtimestamp(1, UTC), {}, b"old").dump()
    fields = {"job": "job_old", "reason": "orphaned", "entry": old}
    ctx.store.redis.xadd(keys.QUARANTINE, fields, id="1000-0")
    ctx.store.redis.set(keys.QUARANTINE_BYTES, len(old))
    quarantine(ctx, b"new")
    assert [body for *_, body in list_quarantined(ctx)] == [b"new"]
    assert counted_bytes(ctx) == stored_bytes(ctx)


def test_all_pages_are_listed_newest_first(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAGE", 3)
    for many in (1, 2, 3):
        bodies = [f"{many} {number}".encode() for number in range(3)]
        quarantine(ctx, *bodies)
        assert len(quarantined_ids(ctx)) == len({*quarantined_ids(ctx)}) == 3 * many
    assert quarantined_ids(ctx) == sorted(quarantined_ids(ctx), reverse=True)


def test_two_readers_quarantine_a_callback_once(ctx: Context) -> None:
    for number in range(20):
        receive(ctx, "job_x", str(number).encode())
    outcomes = dict.fromkeys(ctx.inbox.list_unread("job_x"), Outcome.ORPHANED)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(ctx.inbox.acknowledge, "job_x", outcomes)
    assert len(list_quarantined(ctx)) == 20
    assert Counters(ctx.store.redis).read()["callbacks.orphaned"] == 20
    assert counted_bytes(ctx) == stored_bytes(ctx)
