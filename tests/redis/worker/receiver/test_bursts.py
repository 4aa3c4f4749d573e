"""Many callbacks at once are all stored, and few messages dispatched."""

import json
from concurrent.futures import ThreadPoolExecutor

from imagequeue.config.http.server import server_options
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.application import (
    MAX_QUEUED_MESSAGES,
    create_app,
)
from support.asgi import serving
from support.processes import eventually
from support.worker.receiver import post, url_of


def dispatched(ctx: Context) -> list[str]:
    """Return the jobs that messages in the callback queue name."""
    messages = [json.loads(message) for message in ctx.store.redis.lrange("callback", 0, -1)]
    return [message["headers"]["id"].removesuffix(".callback") for message in messages]


def test_concurrent_callbacks_are_all_stored(
    receiver: str, settings: Settings, ctx: Context
) -> None:
    jobs = [f"job_{number:026}" for number in range(10)]
    sent = [(job, f"{job} {number}".encode()) for number in range(20) for job in jobs]
    with ThreadPoolExecutor(20) as pool:
        ends = pool.map(lambda one: post(receiver + url_of(settings, one[0]), one[1]), sent)
        assert set(ends) == {200}
    for job in jobs:
        stored = {callback.body for callback in ctx.inbox.list_unread(job).values()}
        assert stored == {body for of, body in sent if of == job}
    assert {job.decode() for job in ctx.store.redis.zrange(keys.due(Queue.CALLBACK), 0, -1)} == {
        *jobs
    }


def test_each_job_is_dispatched(receiver: str, settings: Settings, ctx: Context) -> None:
    jobs = [f"job_{number:026}" for number in range(MAX_QUEUED_MESSAGES // 2)]
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda job: post(receiver + url_of(settings, job)), jobs)) == {200}
    eventually(lambda: {*dispatched(ctx)} == {*jobs})


def test_queued_messages_are_limited(settings: Settings, ctx: Context) -> None:
    jobs = [f"job_{number:026}" for number in range(3 * MAX_QUEUED_MESSAGES)]
    with serving(create_app(settings), **server_options()) as receiver:
        urls = [receiver + url_of(settings, job) for job in jobs]
        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(post, urls)) == {200}
        eventually(lambda: len(dispatched(ctx)) >= MAX_QUEUED_MESSAGES)
        assert [post(url) for url in urls[:10]] == [200] * 10
    assert len(dispatched(ctx)) == MAX_QUEUED_MESSAGES
    assert ctx.store.redis.zcard(keys.due(Queue.CALLBACK)) == len(jobs)
