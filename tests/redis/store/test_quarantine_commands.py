"""The commands on the quarantine: list, replay and count."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.callback import Callback
from imagequeue.jobs.job import State, utc_now
from imagequeue.store import keys
from imagequeue.store.codec import dump
from imagequeue.store.quarantine import Quarantine
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
from support.cli import Ran, imagequeue
from support.jobs import kie_callback

URL = "https://a.example/r.png"


Run = Callable[..., Ran]


@pytest.fixture
def run(overrides: dict[str, str]) -> Run:
    def run_one(*arguments: str) -> Ran:
        return imagequeue("callbacks", *arguments, settings=overrides)

    return run_one


def test_replayed_callback_is_read_again(ctx: Context, run: Run) -> None:
    job_id = waiting_job(ctx)
    job = ctx.store.get(job_id)
    ctx.store.redis.delete(keys.record(job_id))
    raw = receive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    ctx.store.redis.set(keys.record(job_id), dump(job))
    (entry_id,) = quarantined_ids(ctx)
    assert run("replay", entry_id) == Ran(0, f"{entry_id}  {job_id}\n", "")
    (again,) = ctx.inbox.list_unread(job_id).values()
    assert (again.body, again.headers) == (raw, {"x-webhook-timestamp": "7"})
    due = ctx.store.redis.zscore(keys.due(Queue.CALLBACK), job_id)
    assert due is not None
    assert due <= utc_now().timestamp()
    assert (list_quarantined(ctx), counted_bytes(ctx)) == ([], 0)
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.DOWNLOADING
    assert list_quarantined(ctx) == []


def test_second_replay_names_the_remedy(ctx: Context, run: Run) -> None:
    quarantine(ctx, b"x")
    (entry_id,) = quarantined_ids(ctx)
    assert run("replay", entry_id).status == 0
    words = f"imagequeue: no callback {entry_id} is quarantined; `callbacks list` shows all\n"
    assert run("replay", entry_id) == Ran(2, "", words)
    assert len(ctx.inbox.list_unread("job_gone")) == 1


def test_concurrent_replays_restore_a_callback_once(ctx: Context) -> None:
    quarantine(ctx, b"x")
    ((entry_id, fields),) = ctx.store.redis.xrange(keys.QUARANTINE)
    assert fields
    with ThreadPoolExecutor(8) as pool:
        replays = [
            pool.submit(Quarantine(ctx.store.redis).replay, entry_id.decode(), ctx.now())
            for _ in range(8)
        ]
    assert sum(replay.exception() is None for replay in replays) == 1
    assert len(ctx.store.redis.lrange(keys.callbacks("job_gone"), 0, -1)) == 1
    assert counted_bytes(ctx) == 0


def test_replay_all_restores_every_callback(ctx: Context, run: Run) -> None:
    quarantine(ctx, b"1", b"2", job_id="job_a")
    quarantine(ctx, b"3", job_id="job_b")
    before = quarantined_ids(ctx)
    ran = run("replay", "--all")
    assert [line.split()[0] for line in ran.out.splitlines()] == before
    assert (len(ctx.inbox.list_unread("job_a")), len(ctx.inbox.list_unread("job_b"))) == (2, 1)
    assert list_quarantined(ctx) == []
    assert run("replay", "--all") == Ran(0, "", "")


@pytest.mark.parametrize("arguments", [[], ["--all", "1-0"]], ids=["nothing", "both"])
def test_replay_needs_ids_or_all(ctx: Context, run: Run, arguments: list[str]) -> None:
    quarantine(ctx, b"x")
    words = "imagequeue: name the callbacks to replay by their ids, or give --all\n"
    assert run("replay", *arguments) == Ran(2, "", words)
    assert len(list_quarantined(ctx)) == 1


@pytest.mark.parametrize("wrong", ["job_1", "", "1", "-", "+", "(0-0", "\udcff", "9" * 40, "1-1-1"])
def test_malformed_id_is_refused(ctx: Context, run: Run, wrong: str) -> None:
    quarantine(ctx, b"x")
    ran = run("replay", "--", wrong)
    assert (ran.status, ran.out, "`callbacks list` shows all" in ran.err) == (2, "", True)
    assert len(list_quarantined(ctx)) == 1


def test_incomplete_id_is_refused(ctx: Context, run: Run) -> None:
    entry = Callback(ctx.now(), {}, b"x").dump()
    fields = {"job": "job_x", "reason": "orphaned", "entry": entry}
    now_ms = round(utc_now().timestamp() * 1000)
    ctx.store.redis.xadd(keys.QUARANTINE, fields, id=f"{now_ms}-1")
    ctx.store.redis.set(keys.QUARANTINE_BYTES, len(entry))
    assert run("replay", str(now_ms)).status == 2
    assert not ctx.inbox.list_unread("job_x")
    assert counted_bytes(ctx) == stored_bytes(ctx) == len(entry)


def test_list_prints_text_or_json(ctx: Context, run: Run) -> None:
    quarantine(ctx, b"old", b"\xff new")
    newest, oldest = quarantined_ids(ctx)
    lines = run("list").out.splitlines()
    assert lines == [
        f"{newest}  2026-11-20 12:00:00  job_gone  orphaned      5 bytes",
        f"{oldest}  2026-11-20 12:00:00  job_gone  orphaned      3 bytes",
    ]
    (shown,) = map(json.loads, run("list", "--json", "--limit", "1").out.splitlines())
    assert shown == {
        "id": newest,
        "at": "2026-11-20T12:00:00+00:00",
        "job_id": "job_gone",
        "reason": "orphaned",
        "headers": {"x-webhook-timestamp": "7"},
        "body": "\\xff new",
    }


def test_counts_are_printed(ctx: Context, run: Run) -> None:
    quarantine(ctx, b"1", b"2")
    assert json.loads(run("counts", "--json").out) == {"callbacks.orphaned": 2}
    assert run("counts").out.split() == ["callbacks.orphaned", "2"]
