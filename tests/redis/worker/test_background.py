"""What runs in the background survives its own errors, or its process ends and is restarted."""

import asyncio
import sys
from collections.abc import Callable

import pytest
import requests
import structlog

from imagequeue.config.queues import Queue
from imagequeue.config.redis import connect_briefly
from imagequeue.config.settings import Settings
from imagequeue.jobs.callback import Callback
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.callback_writer import CallbackNotStoredError, CallbackWriter
from imagequeue.worker.sweep import sweep
from support.asgi import serving
from support.jobs import queued
from support.processes import Process

Start = Callable[..., Process]


def test_broken_queue_does_not_stop_the_sweep_of_others(ctx: Context) -> None:
    ctx.wakeups.redis.set(keys.due(Queue.POLL), "no sorted set")
    ctx.wakeups.redis.zadd(keys.due(Queue.NOTIFY), {"job_1": 0})
    sweep(ctx)
    assert ctx.wakeups.redis.llen(Queue.NOTIFY) == 1


def test_cut_connection_to_the_broker_is_no_unexpected_error(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AttributeError("of a connection that was cut")

    monkeypatch.setattr(ctx.dispatcher._celery, "send_task", fail)
    ctx.wakeups.redis.zadd(keys.due(Queue.NOTIFY), {"job_1": 0})
    with structlog.testing.capture_logs() as logs:
        sweep(ctx)
    assert [(log["event"], log["error"]) for log in logs] == [("sweep_failed", "OperationalError")]


WORKER_WITHOUT_SWEEP = """
import sys
from celery.__main__ import main
from imagequeue.worker import sweep
sweep.sweep = sys.exit
main()
"""


def test_worker_whose_sweep_ends_stops(start: Start) -> None:
    options = ("-A", "imagequeue.worker", "worker", "-P", "threads", "-c", "1")
    worker = start(sys.executable, "-c", WORKER_WITHOUT_SWEEP, *options)
    assert worker.popen.wait(60) == 0
    assert "sweep_ended" in worker.output


def test_error_of_a_dispatch_is_left_to_the_sweep(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AttributeError("of a connection that was cut")

    job_id = queued(ctx)
    monkeypatch.setattr(ctx.dispatcher._celery, "send_task", fail)
    ctx.dispatcher.dispatch(Queue.SUBMIT, [job_id], ctx.now())
    assert ctx.wakeups.redis.zscore(keys.due(Queue.SUBMIT), job_id) is not None


def test_unexpected_error_refuses_the_callbacks_that_wait(settings: Settings) -> None:
    async def store_twice() -> None:
        client = connect_briefly(settings)
        writer = CallbackWriter(client)
        callback = Callback(utc_now(), {}, b"{}")
        working = writer._store_batch

        async def fail(*_: object) -> None:
            raise RuntimeError("of a library")

        writer._store_batch = fail
        with pytest.raises(CallbackNotStoredError):
            await asyncio.wait_for(writer.store("job_1", callback), 10)
        writer._store_batch = working
        await writer.store("job_1", callback)
        await client.aclose()

    asyncio.run(store_twice())


def test_invalid_change_does_not_end_the_stream_of_changes(
    settings: Settings, ctx: Context
) -> None:
    with (
        serving(create_app(settings), timeout_graceful_shutdown=1) as url,
        requests.get(f"{url}/v1/events", stream=True, timeout=30) as events,
    ):
        ctx.wakeups.redis.xadd(keys.CHANGES, {"unknown": "field"})
        job_id = queued(ctx)
        assert any(job_id in line.decode() for line in events.iter_lines())
