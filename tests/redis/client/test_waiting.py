"""Waits: one stream of events serves all of a client, and its end loses nothing."""

import asyncio
import threading

import pytest

from imagequeue import AsyncClient, Client, LocalClient, UnknownJobError
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.api import listeners
from imagequeue.producer.api.application import create_app
from imagequeue.worker.context import Context
from support.asgi import serving
from support.jobs import move, queued

DONE = (State.DOWNLOADING, State.SUCCEEDED)


def test_wait_returns_the_finished_job(client: Client, ctx: Context) -> None:
    job_id = queued(ctx)
    timer = threading.Timer(0.2, move, (ctx, job_id, *DONE))
    timer.start()
    assert client.wait(job_id).state == "succeeded"
    assert client.wait(job_id).state == "succeeded"
    timer.join()


def test_on_update_is_called_after_each_change(client: Client, ctx: Context) -> None:
    job_id = queued(ctx)
    seen: list[str] = []
    steps = iter([State.SUBMITTING, State.WAITING, State.DOWNLOADING, State.SUCCEEDED])

    def go_on(job: object) -> None:
        seen.append(str(getattr(job, "state", "")))
        if step := next(steps, None):
            threading.Thread(target=move, args=(ctx, job_id, step)).start()

    assert client.wait(job_id, on_update=go_on).state == "succeeded"
    assert seen == ["queued", "submitting", "waiting", "downloading", "succeeded"]


def test_timeout_says_where_the_job_is(client: Client, ctx: Context) -> None:
    ids = [queued(ctx), queued(ctx)]
    with pytest.raises(TimeoutError, match=r"is queued after 0\.3 s"):
        client.wait(ids[0], timeout_s=0.3)
    with pytest.raises(TimeoutError, match="and 1 more are not finished"):
        list(client.as_completed(ids, timeout_s=0.3))


def test_unknown_job_ends_the_wait(client: Client, ctx: Context) -> None:
    with pytest.raises(UnknownJobError):
        list(client.as_completed([queued(ctx), "job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"]))


def test_as_completed_yields_each_job_as_it_finishes(client: Client, ctx: Context) -> None:
    ids = [queued(ctx) for _ in range(3)]
    completed = client.as_completed([*ids, ids[0]])
    order = []
    for job_id in reversed(ids):
        move(ctx, job_id, *DONE)
        order.append(next(completed).id)
    assert order == list(reversed(ids))
    assert list(completed) == []


def test_more_waiters_than_the_api_admits_share_one_stream(
    settings: Settings, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "count_max_connections", lambda: 8)  # 4 waits for each key
    local = LocalClient(settings)
    cat = {"provider": "kie-flux-kontext", "prompt": "a cat"}
    ids = [str(job_id) for job_id in local.submit_batch([cat] * 30).jobs]

    async def wait_for_all(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            waits = [asyncio.create_task(client.wait(job_id)) for job_id in ids]
            await asyncio.sleep(0)
            await asyncio.to_thread(local.bulk, "cancel", ids)
            return [(await each).state for each in waits]

    with serving(create_app(settings), timeout_graceful_shutdown=1) as url:
        assert asyncio.run(wait_for_all(url)) == ["cancelled"] * 30
