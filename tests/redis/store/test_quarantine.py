"""The quarantine: what changed nothing is kept for a person, up to a bound, and may be replayed."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.callback import Callback, Outcome
from imagequeue.jobs.job import State, add_seconds, utc_now
from imagequeue.store import callbacks, keys, streams
from imagequeue.store.codec import dump
from imagequeue.store.counters import Counters
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from support.cli import Ran, imagequeue
from support.clock import Clock
from support.jobs import TASK, kie_callback, queued

URL = "https://a.example/r.png"
Run = Callable[..., Ran]


@pytest.fixture
def run(overrides: dict[str, str]) -> Run:
    def run_one(*arguments: str) -> Ran:
        return imagequeue("callbacks", *arguments, settings=overrides)

    return run_one


def waiting(ctx: Context) -> str:
    job_id, now = queued(ctx), ctx.now()
    ctx.store.transition(
        ctx.store.get(job_id), lambda job: job.transition_to(State.SUBMITTING, "test", now, now)
    )
    later = add_seconds(now, 60)
    ctx.store.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(State.WAITING, "test", now, later, task_id=TASK),
    )
    return job_id


def arrive(ctx: Context, job_id: str, body: Any) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    ctx.inbox.put(job_id, Callback(ctx.now(), {"x-webhook-timestamp": "7"}, raw))
    return raw


def kept(ctx: Context) -> list[tuple[str, Outcome, bytes]]:
    return [(one.job_id, one.reason, one.callback.body) for one in Quarantine(ctx.store.redis)]


def ids(ctx: Context) -> list[str]:
    return [one.id for one in Quarantine(ctx.store.redis)]


def set_aside(ctx: Context, *bodies: bytes, job_id: str = "job_gone") -> None:
    """Bodies in the quarantine, the first one oldest."""
    for body in bodies:
        arrive(ctx, job_id, body)
        read_callbacks(ctx, job_id)


def bytes_counted(ctx: Context) -> int:
    return int(ctx.store.redis.get(keys.QUARANTINE_BYTES) or 0)


def bytes_kept(ctx: Context) -> int:
    return sum(len(f[b"entry"]) for _, f in ctx.store.redis.xrange(keys.QUARANTINE))


def ended(ctx: Context) -> str:
    job_id = waiting(ctx)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    return job_id


def removed(ctx: Context) -> str:
    job_id = waiting(ctx)
    arrive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    assert ctx.store.delete_expired(add_seconds(ctx.now(), ctx.settings.retention_s + 1)) == 1
    return job_id


@pytest.mark.parametrize(
    ("of", "body", "reason"),
    [
        (lambda _: "job_unknown", kie_callback(URL), Outcome.ORPHANED),
        (removed, kie_callback(URL), Outcome.ORPHANED),
        (ended, kie_callback("https://a.example/another.png"), Outcome.ORPHANED),
        (ended, kie_callback(code=500), Outcome.CONTRADICTED),
        (waiting, b"\xff no JSON", Outcome.UNREADABLE),
        (waiting, kie_callback(URL, task="another task"), Outcome.MISMATCHED),
    ],
    ids=["unknown job", "removed job", "another result", "failure", "no JSON", "another task"],
)
def test_what_changed_nothing_is_kept_with_its_reason(
    ctx: Context, of: Callable[[Context], str], body: Any, reason: Outcome
) -> None:
    job_id = of(ctx)
    raw = arrive(ctx, job_id, body)
    read_callbacks(ctx, job_id)
    assert kept(ctx) == [(job_id, reason, raw)]
    assert Counters(ctx.store.redis).read()[f"callbacks.{reason}"] == 1


class TestWhereKieSigns:
    @pytest.fixture
    def overrides(self, overrides: dict[str, str]) -> dict[str, str]:
        return {**overrides, "kie_webhook_hmac_key": "a key"}

    def test_an_unsigned_callback_is_kept_as_untrusted(self, ctx: Context) -> None:
        job_id = waiting(ctx)
        raw = arrive(ctx, job_id, kie_callback(URL))
        read_callbacks(ctx, job_id)
        assert kept(ctx) == [(job_id, Outcome.UNTRUSTED, raw)]
        assert ctx.store.get(job_id).state is State.WAITING


@pytest.mark.parametrize("body", [kie_callback(URL), kie_callback(code=500)])
def test_what_was_used_and_its_doubles_are_not_kept(
    ctx: Context, clock: Clock, body: dict[str, Any]
) -> None:
    job_id = waiting(ctx)
    for _ in range(3):
        clock.advance(1)
        arrive(ctx, job_id, body)
        read_callbacks(ctx, job_id)
    assert kept(ctx) == []
    sums = Counters(ctx.store.redis).read()
    assert (sums["callbacks.settled"], sums["callbacks.duplicate"]) == (1, 2)


def test_too_many_make_room_for_the_newest(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "MAX_ENTRIES", 3)
    set_aside(ctx, b"1", b"2", b"3", b"4", b"5")
    assert [body for *_, body in kept(ctx)] == [b"5", b"4", b"3"]
    assert bytes_counted(ctx) == bytes_kept(ctx) > 0


def test_too_much_makes_room_for_the_newest(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "MAX_BYTES", 3000)
    set_aside(ctx, b"1" * 1000, b"2" * 1000, b"3" * 1000, b"4" * 10)
    assert [body[:1] for *_, body in kept(ctx)] == [b"4", b"3", b"2"]
    assert bytes_counted(ctx) == bytes_kept(ctx) <= 3000
    set_aside(ctx, b"5" * 4000)
    assert (kept(ctx), bytes_counted(ctx)) == ([], 0)


def test_what_was_kept_long_enough_goes(ctx: Context) -> None:
    old = Callback(datetime.fromtimestamp(1, UTC), {}, b"old").dump()
    fields = {"job": "job_old", "reason": "orphaned", "entry": old}
    ctx.store.redis.xadd(keys.QUARANTINE, fields, id="1000-0")
    ctx.store.redis.set(keys.QUARANTINE_BYTES, len(old))
    set_aside(ctx, b"new")
    assert [body for *_, body in kept(ctx)] == [b"new"]
    assert bytes_counted(ctx) == bytes_kept(ctx)


def test_all_pages_are_gone_through_newest_first(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PAGE", 3)
    for many in (1, 2, 3):
        bodies = [f"{many} {number}".encode() for number in range(3)]
        set_aside(ctx, *bodies)
        assert len(ids(ctx)) == len({*ids(ctx)}) == 3 * many
    assert ids(ctx) == sorted(ids(ctx), reverse=True)


def test_two_readers_of_one_callback_file_it_once(ctx: Context) -> None:
    for number in range(20):
        arrive(ctx, "job_x", str(number).encode())
    outcomes = dict.fromkeys(ctx.inbox.list_unread("job_x"), Outcome.ORPHANED)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(ctx.inbox.acknowledge, "job_x", outcomes)
    assert len(kept(ctx)) == 20
    assert Counters(ctx.store.redis).read()["callbacks.orphaned"] == 20
    assert bytes_counted(ctx) == bytes_kept(ctx)


def test_a_replay_has_the_callback_read_once_more(ctx: Context, run: Run) -> None:
    job_id = waiting(ctx)
    job = ctx.store.get(job_id)
    ctx.store.redis.delete(keys.record(job_id))
    raw = arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    ctx.store.redis.set(keys.record(job_id), dump(job))
    (entry_id,) = ids(ctx)
    assert run("replay", entry_id) == Ran(0, f"{entry_id}  {job_id}\n", "")
    (again,) = ctx.inbox.list_unread(job_id).values()
    assert (again.body, again.headers) == (raw, {"x-webhook-timestamp": "7"})
    due = ctx.store.redis.zscore(keys.due(Queue.CALLBACK), job_id)
    assert due is not None
    assert due <= utc_now().timestamp()
    assert (kept(ctx), bytes_counted(ctx)) == ([], 0)
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.DOWNLOADING
    assert kept(ctx) == []


def test_a_replay_that_is_doubled_says_what_to_do(ctx: Context, run: Run) -> None:
    set_aside(ctx, b"x")
    (entry_id,) = ids(ctx)
    assert run("replay", entry_id).status == 0
    words = f"imagequeue: no callback {entry_id} is quarantined; `callbacks list` shows all\n"
    assert run("replay", entry_id) == Ran(2, "", words)
    assert len(ctx.inbox.list_unread("job_gone")) == 1


def test_replays_at_once_put_a_callback_back_once(ctx: Context) -> None:
    set_aside(ctx, b"x")
    ((entry_id, fields),) = ctx.store.redis.xrange(keys.QUARANTINE)
    assert fields
    with ThreadPoolExecutor(8) as pool:
        replays = [
            pool.submit(Quarantine(ctx.store.redis).replay, entry_id.decode(), ctx.now())
            for _ in range(8)
        ]
    assert sum(replay.exception() is None for replay in replays) == 1
    assert len(ctx.store.redis.lrange(keys.callbacks("job_gone"), 0, -1)) == 1
    assert bytes_counted(ctx) == 0


def test_all_that_are_kept_are_replayed_together(ctx: Context, run: Run) -> None:
    set_aside(ctx, b"1", b"2", job_id="job_a")
    set_aside(ctx, b"3", job_id="job_b")
    before = ids(ctx)
    ran = run("replay", "--all")
    assert [line.split()[0] for line in ran.out.splitlines()] == before
    assert (len(ctx.inbox.list_unread("job_a")), len(ctx.inbox.list_unread("job_b"))) == (2, 1)
    assert kept(ctx) == []
    assert run("replay", "--all") == Ran(0, "", "")


@pytest.mark.parametrize("arguments", [[], ["--all", "1-0"]], ids=["nothing", "both"])
def test_a_replay_of_nothing_or_of_both_is_refused(
    ctx: Context, run: Run, arguments: list[str]
) -> None:
    set_aside(ctx, b"x")
    words = "imagequeue: name the callbacks to replay by their ids, or give --all\n"
    assert run("replay", *arguments) == Ran(2, "", words)
    assert len(kept(ctx)) == 1


@pytest.mark.parametrize("wrong", ["job_1", "", "1", "-", "+", "(0-0", "\udcff", "9" * 40, "1-1-1"])
def test_what_is_no_id_is_refused(ctx: Context, run: Run, wrong: str) -> None:
    set_aside(ctx, b"x")
    ran = run("replay", "--", wrong)
    assert (ran.status, ran.out, "`callbacks list` shows all" in ran.err) == (2, "", True)
    assert len(kept(ctx)) == 1


def test_half_an_id_names_nothing(ctx: Context, run: Run) -> None:
    entry = Callback(ctx.now(), {}, b"x").dump()
    fields = {"job": "job_x", "reason": "orphaned", "entry": entry}
    now_ms = round(utc_now().timestamp() * 1000)
    ctx.store.redis.xadd(keys.QUARANTINE, fields, id=f"{now_ms}-1")
    ctx.store.redis.set(keys.QUARANTINE_BYTES, len(entry))
    assert run("replay", str(now_ms)).status == 2
    assert not ctx.inbox.list_unread("job_x")
    assert bytes_counted(ctx) == bytes_kept(ctx) == len(entry)


def test_the_list_is_for_people_and_as_json_for_programs(ctx: Context, run: Run) -> None:
    set_aside(ctx, b"old", b"\xff new")
    newest, oldest = ids(ctx)
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


def test_counts_are_shown(ctx: Context, run: Run) -> None:
    set_aside(ctx, b"1", b"2")
    assert json.loads(run("counts", "--json").out) == {"callbacks.orphaned": 2}
    assert run("counts").out.split() == ["callbacks.orphaned", "2"]
