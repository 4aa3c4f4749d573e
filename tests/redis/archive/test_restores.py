"""An archived job is brought back when it has to change; it is never paid for or kept twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagequeue.archive.archive import Archive
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.filter import JobConditions, JobFilter
from imagequeue.jobs.job import JobError, Reason, State
from imagequeue.producer.bulk import BulkOptions
from imagequeue.producer.client import LocalClient
from imagequeue.producer.commands import Action
from imagequeue.store import keys
from imagequeue.store.history import archiving
from imagequeue.worker.context import Context
from support.jobs import failed, kie_callback, queued, unsaved, waiting
from support.jobs import move as bring
from support.stub import Stub
from support.worker.callbacks import URL, come, counted
from support.worker.hand_overs import succeed

Move = Callable[[], None]


@pytest.fixture
def client(ctx: Context, archive: Archive) -> LocalClient:
    return LocalClient(ctx.settings, ctx.now)


def in_redis(ctx: Context, job_id: str) -> bool:
    return bool(ctx.store.redis.exists(keys.record(job_id)))


def test_retry_brings_a_job_back(
    ctx: Context, archive: Archive, move: Move, client: LocalClient
) -> None:
    job_id = failed(ctx)
    move()
    assert client.retry(job_id, pay_again=True).state is State.QUEUED
    assert in_redis(ctx, job_id)
    assert archive.count_by_state(JobConditions()) == {}
    assert client.counts()[State.QUEUED] == 1
    bring(ctx, job_id, State.SUBMITTING, State.FAILED)
    move()
    assert not in_redis(ctx, job_id)
    assert len(client.get(job_id).history) == 6
    assert archive.count_by_state(JobConditions()) == {State.FAILED: 1}


def test_refused_retry_leaves_a_job_in_the_archive(
    ctx: Context, archive: Archive, move: Move, client: LocalClient
) -> None:
    job_id = succeed(ctx)
    move()
    with pytest.raises(InvalidTransitionError):
        client.retry(job_id, pay_again=True)
    assert not in_redis(ctx, job_id)


def test_one_of_many_retries_at_once_is_done(
    ctx: Context, archive: Archive, move: Move, client: LocalClient
) -> None:
    job_id = failed(ctx)
    move()

    def retry(_: int) -> bool:
        try:
            client.retry(job_id, pay_again=True)
        except InvalidTransitionError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(retry, range(6))) == 1
    assert client.counts()[State.QUEUED] == 1


def test_crash_while_a_job_is_brought_back_doubles_nothing(
    ctx: Context, archive: Archive, move: Move, client: LocalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = unsaved(ctx)
    move()
    register = archiving.register_script

    def crash_after(redis: object, name: str) -> Callable[..., None]:
        def run(**options: object) -> None:
            register(redis, name)(**options)
            raise KeyboardInterrupt

        return run

    with monkeypatch.context() as patched:
        patched.setattr(archiving, "register_script", crash_after)
        with pytest.raises(KeyboardInterrupt):
            client.retry(job_id)
    assert in_redis(ctx, job_id)
    assert [job.id for job in client.list().jobs] == [job_id]
    assert client.retry(job_id).state is State.DOWNLOADING
    assert [job.state for job in client.list().jobs] == [State.DOWNLOADING]


def test_job_brought_back_without_a_change_moves_again(
    ctx: Context, archive: Archive, move: Move
) -> None:
    job_id = failed(ctx)
    move()
    before = ctx.store.get(job_id)
    assert archiving.restore_job(ctx.store.redis, archive, job_id)
    assert in_redis(ctx, job_id)
    assert ctx.store.count_by_state()[State.FAILED] == 1
    ctx.now.advance(365 * 86400)  # type: ignore[attr-defined]
    move()
    assert not in_redis(ctx, job_id)
    assert ctx.store.get(job_id) == before


def test_late_callback_revives_an_archived_job(ctx: Context, stub: Stub, move: Move) -> None:
    job_id = waiting(ctx, stub)
    bring(ctx, job_id, State.FAILED, error=JobError(reason=Reason.TIMED_OUT))
    move()
    come(ctx, job_id, kie_callback(URL))
    assert counted(ctx) == {Outcome.SETTLED: 1}
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_repeated_callback_of_an_archived_job_leaves_it_there(
    ctx: Context, stub: Stub, move: Move
) -> None:
    job_id = waiting(ctx, stub)
    come(ctx, job_id, kie_callback(URL))
    images = [each.model_copy(update={"state": "stored"}) for each in ctx.store.get(job_id).images]
    bring(ctx, job_id, State.SUCCEEDED, images=tuple(images))
    move()
    come(ctx, job_id, kie_callback(URL))
    assert counted(ctx)[Outcome.DUPLICATE] == 1
    assert not in_redis(ctx, job_id)


def test_bulk_retry_finds_archived_jobs(
    ctx: Context, move: Move, client: LocalClient, archive: Archive
) -> None:
    ids = {failed(ctx) for _ in range(3)}
    succeed(ctx)
    move()
    ids.add(failed(ctx))
    queued(ctx)
    chosen = JobFilter(provider="kie-flux-kontext")
    *_, last = client.iter_bulk(Action.RETRY, chosen, BulkOptions(pay_again=True))
    assert (last.report.total, last.report.changed, last.report.unchanged) == (6, 4, 2)
    assert {job.id for job in client.list(state=State.QUEUED).jobs} >= ids


def test_same_request_is_reused_from_the_archive(
    ctx: Context, move: Move, client: LocalClient, archive: Archive
) -> None:
    request = {"provider": "kie-flux-kontext", "prompt": "a cat", "reuse": "60d"}
    first = client.submit(**request)  # type: ignore[arg-type]
    bring(ctx, first.id, State.SUBMITTING, State.WAITING, State.DOWNLOADING, State.SUCCEEDED)
    move()
    ctx.store.redis.delete(*ctx.store.redis.keys("iq:made:*") or ["none"])
    assert client.submit(**request).id == first.id  # type: ignore[arg-type]


def test_idempotency_key_of_an_archived_job_returns_it(
    ctx: Context, move: Move, client: LocalClient, archive: Archive
) -> None:
    submit = {"provider": "kie-flux-kontext", "prompt": "a cat", "idempotency_key": "k"}
    first = client.submit(**submit)  # type: ignore[arg-type]
    client.cancel(first.id)
    move()
    assert client.submit(**submit).id == first.id  # type: ignore[arg-type]
    assert client.submit(**submit).state is State.CANCELLED  # type: ignore[arg-type]
