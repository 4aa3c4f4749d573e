"""The stream of events goes on after a lost connection, from the last event."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from imagequeue import AccessError, AsyncClient, Client, JobEvent
from imagequeue.client._async.transport import MAX_CONCURRENT
from imagequeue.jobs.job import State, utc_now
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.worker.context import Context
from support.jobs import move, queued
from support.processes import eventually
from support.relay import Relay, relaying

DONE = (State.DOWNLOADING, State.SUCCEEDED)


@pytest.fixture
def relay(api: str) -> Iterator[Relay]:
    with relaying(api) as made:
        yield made


def is_streaming(relay: Relay, times: int = 1) -> bool:
    return sum("/v1/events" in head for head in relay.heads) >= times


def test_no_event_is_lost_with_the_connection(relay: Relay, ctx: Context) -> None:
    first, second = queued(ctx), queued(ctx)
    received: list[JobEvent] = []

    def follow() -> None:
        with Client(relay.url) as client:
            for event in client.events():
                received.append(event)
                if (event.job, event.state) == (second, "succeeded"):
                    return

    follower = threading.Thread(target=follow)
    follower.start()

    def is_followed() -> bool:
        move(ctx, queued(ctx), State.CANCELLED)
        return bool(received)

    eventually(is_followed)
    relay.cut()
    move(ctx, first, *DONE)
    move(ctx, second, *DONE)
    follower.join()
    ours = [(each.job, each.state) for each in received if each.job in (first, second)]
    assert ours == [(job_id, state) for job_id in (first, second) for state in DONE]
    assert not any(event.lost for event in received)
    assert "last-event-id: " in relay.heads[-1].lower()


def test_connections_are_reused_beside_a_stream(relay: Relay) -> None:
    async def call() -> None:
        async with AsyncClient(relay.url) as client:
            following = asyncio.create_task(anext(client.events()))
            await asyncio.to_thread(eventually, lambda: is_streaming(relay))
            for _ in range(3):
                await asyncio.gather(*(client.providers() for _ in range(MAX_CONCURRENT)))
            following.cancel()

    asyncio.run(call())
    assert len(relay.pairs) == 1 + MAX_CONCURRENT


def test_events_begin_after_a_known_one(client: Client, ctx: Context) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, *DONE)
    events = client.events(after="1-0")
    assert next(events).lost
    first = next(events)
    assert (first.job, first.state) == (job_id, "queued")
    assert next(client.events(after=first.id)).state == "downloading"


def test_wait_goes_on_after_the_connection_is_lost(relay: Relay, ctx: Context) -> None:
    job_id = queued(ctx)

    async def wait() -> str:
        async with AsyncClient(relay.url) as client:
            waiting = asyncio.create_task(client.wait(job_id))
            await asyncio.to_thread(eventually, lambda: is_streaming(relay))
            relay.cut()
            await asyncio.to_thread(eventually, lambda: is_streaming(relay, times=2))
            await asyncio.to_thread(move, ctx, job_id, *DONE)
            return (await waiting).state

    assert asyncio.run(wait()) == "succeeded"


def test_waits_of_one_client_open_one_stream(relay: Relay, ctx: Context) -> None:
    ids = [queued(ctx) for _ in range(20)]

    async def wait() -> list[str]:
        async with AsyncClient(relay.url) as client:
            waits = [asyncio.create_task(client.wait(job_id)) for job_id in ids]
            await asyncio.to_thread(eventually, lambda: is_streaming(relay))
            for job_id in ids:
                move(ctx, job_id, State.CANCELLED)
            return [(await each).state for each in waits]

    assert asyncio.run(wait()) == ["cancelled"] * 20
    assert sum("/v1/events" in head for head in relay.heads) == 1


def test_closed_client_ends_its_stream(client: Client, ctx: Context) -> None:
    move(ctx, finished := queued(ctx), State.CANCELLED)
    job_id = queued(ctx)
    assert next(client.as_completed([finished, job_id])).id == finished
    client.close()
    assert not any(each.name == "imagequeue-events" for each in threading.enumerate())


def test_events_need_a_valid_key(api: str, ctx: Context) -> None:
    ApiKeys(ctx.store.redis).add("shop", Limits(), utc_now())
    with Client(api, "wrong") as client, pytest.raises(AccessError):
        next(client.events())
