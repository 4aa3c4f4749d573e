"""Finished jobs move from Redis to the archive; no crash and no change loses or doubles one."""

from collections.abc import Callable

import pytest

from imagequeue.archive.archive import Archive
from imagequeue.errors import ArchiveUnavailableError, UnreadableJobError
from imagequeue.jobs.filter import JobConditions
from imagequeue.jobs.job import Job, State, add_seconds
from imagequeue.jobs.snapshot import Snapshot
from imagequeue.store import keys
from imagequeue.store.codec import dump
from imagequeue.store.history.archiving import PUT_OFF_S, Archiving
from imagequeue.store.money import keys as money_keys
from imagequeue.store.money.ledger import Ledger
from imagequeue.worker.archive import Archiver
from imagequeue.worker.context import Context
from support.jobs import charged, failed, kie_callback, queued
from support.jobs import move as bring
from support.openai_api import finish
from support.redis import traces
from support.worker.callbacks import arrive
from support.worker.hand_overs import succeed

Move = Callable[[], None]


def in_redis(ctx: Context, job_id: str) -> bool:
    return bool(ctx.store.redis.exists(keys.record(job_id)))


def counts(archive: Archive) -> dict[State, int]:
    return archive.count_by_state(JobConditions())


def test_finished_job_moves_and_reads_as_before(
    ctx: Context, archive: Archive, move: Move, redis_url: str
) -> None:
    ids = [succeed(ctx), failed(ctx, prompt="a \0 cat 中", metadata={"a": [1, "\0"]})]
    before = [ctx.store.get(job_id) for job_id in ids]
    move()
    assert not any(in_redis(ctx, job_id) for job_id in ids)
    assert [ctx.store.get(job_id) for job_id in ids] == before
    assert list(ctx.store.get_many(ids)) == before
    assert counts(archive) == {State.SUCCEEDED: 1, State.FAILED: 1}
    assert not [key for key in traces(redis_url) if "job_" in key or key == keys.RETENTION]


def test_live_job_and_one_that_has_just_finished_stay(ctx: Context, archive: Archive) -> None:
    job_id = queued(ctx)
    ctx.now.advance(ctx.settings.finished_s + 1)  # type: ignore[attr-defined]
    finished = add_seconds(ctx.now(), ctx.settings.finished_s)
    job = ctx.store.get(failed(ctx))
    ctx.store.transition(job, lambda each: each.evolve(finished))
    Archiver(ctx).move()
    assert in_redis(ctx, job_id)
    assert in_redis(ctx, job.id)


def test_crash_after_the_commit_leaves_one_job(
    ctx: Context, archive: Archive, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = succeed(ctx)
    with monkeypatch.context() as patched:
        patched.setattr(Archiving, "_delete", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            move()
    assert in_redis(ctx, job_id)
    assert [job.id for job in ctx.store.list().jobs] == [job_id]
    move()
    assert not in_redis(ctx, job_id)
    assert [job.id for job in ctx.store.list().jobs] == [job_id]
    assert counts(archive) == {State.SUCCEEDED: 1}


def test_job_that_changes_while_it_is_written_stays(
    ctx: Context, archive: Archive, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = failed(ctx)

    def change_first(snapshots: list[Snapshot]) -> set[str]:
        bring(ctx, job_id, State.QUEUED)
        return Archive.put(archive, snapshots)

    with monkeypatch.context() as patched:
        patched.setattr(archive, "put", change_first)
        move()
    assert ctx.store.get(job_id).state is State.QUEUED
    assert counts(archive) == {}
    bring(ctx, job_id, State.FAILED)
    move()
    assert not in_redis(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
    assert counts(archive) == {State.FAILED: 1}


def test_job_with_an_unread_callback_stays(ctx: Context, archive: Archive, move: Move) -> None:
    job_id = failed(ctx)
    arrive(ctx, job_id, kie_callback("https://a.example/r.png"))
    move()
    assert in_redis(ctx, job_id)
    assert len(ctx.inbox.list_unread(job_id)) == 1
    ctx.store.redis.delete(keys.callbacks(job_id))
    ctx.now.advance(PUT_OFF_S + 1)  # type: ignore[attr-defined]
    Archiver(ctx).move()
    assert not in_redis(ctx, job_id)


def test_an_earlier_reading_replaces_no_later_one(ctx: Context, archive: Archive) -> None:
    earlier = ctx.store.get(failed(ctx))
    later = earlier.evolve(earlier.wake_at, prompt="later")
    assert archive.put([snapshot(later, 2)]) == {later.id}
    assert archive.put([snapshot(earlier, 1)]) == set()
    assert archive.get_many([later.id]) == {later.id: dump(later)}


def snapshot(job: Job, read_at: int) -> Snapshot:
    return Snapshot(job, dump(job), read_at)


def test_restored_redis_takes_no_image_out_of_the_archive(
    ctx: Context, archive: Archive, move: Move
) -> None:
    job_id = queued(ctx)
    client = ctx.store.redis
    backup = {key: client.dump(key) for key in client.scan_iter()}
    finish(ctx, job_id)
    done = ctx.store.get(job_id)
    move()
    client.flushdb()
    for key, value in backup.items():
        client.restore(key, 0, value)
    bring(ctx, job_id, State.CANCELLED)
    move()
    assert ctx.store.get(job_id) == done
    assert not in_redis(ctx, job_id)
    assert counts(archive) == {State.SUCCEEDED: 1}
    assert not ctx.store.count_by_state()[State.CANCELLED]


def test_damaged_record_stays_in_redis(ctx: Context, archive: Archive, move: Move) -> None:
    job_id = failed(ctx)
    ctx.store.redis.set(keys.record(job_id), b'{"rev":"aa","id":1}')
    move()
    with pytest.raises(UnreadableJobError):
        ctx.store.get(job_id)
    assert job_id in ctx.store.list_unreadable()


def test_archive_that_is_away_loses_nothing(
    ctx: Context, archive: Archive, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = failed(ctx)

    def be_away(_: object) -> set[str]:
        raise ArchiveUnavailableError

    monkeypatch.setattr(archive, "put", be_away)
    with pytest.raises(ArchiveUnavailableError):
        move()
    assert in_redis(ctx, job_id)


def test_ledger_moves_and_is_read_as_one(ctx: Context, archive: Archive, move: Move) -> None:
    for _ in range(3):
        charged(ctx)
    ledger = Ledger(ctx.store.redis, ctx.open_archive)
    before = list(ledger.iter_entries())
    assert len(before) == 3
    ctx.now.advance(365 * 86400)  # type: ignore[attr-defined]
    Archiver(ctx).move()
    assert ctx.store.redis.xlen(money_keys.LEDGER) == 0
    assert list(ledger.iter_entries()) == before
    assert len(list(archive.iter_entries())) == 3
