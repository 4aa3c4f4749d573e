"""Waiting requests and streams of changes, on a real server and Redis."""

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue import LocalClient
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import UnknownJobError
from imagequeue.jobs.job import State
from imagequeue.producer.api import changes, watch
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import free_port
from imagequeue.producer.local.supervisor import parse_procfile
from imagequeue.producer.local.up import PROCFILE
from imagequeue.store import keys
from imagequeue.worker.context import Context
from support.asgi import serving
from support.jobs import queued
from support.processes import Process, answers, eventually

PATH = (State.SUBMITTING, State.WAITING, State.DOWNLOADING, State.SUCCEEDED)


@pytest.fixture
def api(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # A missed change must fail the test, not be found by the periodic read.
    monkeypatch.setattr(watch, "READ_AGAIN_S", 3600)
    # Streams that a test leaves open end with the server.
    with serving(create_app(settings), timeout_graceful_shutdown=1) as url:
        yield f"{url}/v1"


def move(ctx: Context, job_id: str, *states: State) -> None:
    for state in states:
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job, state=state: job.transition_to(state, "test", ctx.now(), ctx.now()),
        )


Events = Iterator[dict[str, Any]]


@contextmanager
def following(url: str, **headers: str) -> Iterator[Events]:
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield events_of(answer)


def events_of(answer: requests.Response) -> Events:
    event: dict[str, Any] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(": ")
        if name:
            event[name] = json.loads(value) if name == "data" else value
        elif "data" in event:
            yield event
            event = {}


def followers(ctx: Context) -> int:
    """Return how many connections read the stream of changes."""
    clients = ctx.store.redis.client_list()
    return sum(client["cmd"] == "xread" for client in clients)


def test_waiting_request_returns_when_the_job_finishes(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    with ThreadPoolExecutor(1) as thread:
        params = {"wait": 60}
        waiting = thread.submit(requests.get, f"{api}/jobs/{job_id}", params=params, timeout=30)
        eventually(lambda: followers(ctx))
        move(ctx, job_id, *PATH[:-1])
        assert not waiting.done()
        move(ctx, job_id, State.SUCCEEDED)
        assert waiting.result().json()["state"] == "succeeded"


def test_wait_timeout_returns_the_current_job(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    for wait in ("0.1", "1e-9", "0"):
        url = f"{api}/jobs/{job_id}?wait={wait}"
        assert requests.get(url, timeout=30).json()["state"] == "queued"
    assert requests.get(f"{api}/jobs/job_none?wait=1", timeout=30).status_code == 404
    for wait in ("-1", "61", "soon"):
        assert requests.get(f"{api}/jobs/{job_id}?wait={wait}", timeout=30).status_code == 422


def test_a_hundred_waits_do_not_block_other_requests(api: str, ctx: Context) -> None:
    job_id, resting = queued(ctx), queued(ctx)
    move(ctx, resting, State.CANCELLED)
    with ThreadPoolExecutor(100) as threads:
        waiting = [
            threads.submit(requests.get, f"{api}/jobs/{job_id}?wait=60", timeout=30)
            for _ in range(100)
        ]
        # More requests than the server has threads; all must be waiting before the next one.
        assert requests.get(f"{api}/jobs?limit=1", timeout=30).ok
        assert requests.get(f"{api}/jobs/{resting}?wait=60", timeout=30).ok
        move(ctx, job_id, State.CANCELLED)
        assert {each.result().json()["state"] for each in waiting} == {"cancelled"}


def test_job_stream_ends_when_the_job_finishes(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING)
    with following(f"{api}/jobs/{job_id}/events") as events:
        assert next(events)["data"]["state"] == "submitting"
        for state in PATH[1:]:
            move(ctx, job_id, state)
            job = next(events)["data"]
            assert (job["state"], job["history"][-1]["to"]) == (state, state)
        assert list(events) == []
    with following(f"{api}/jobs/{job_id}/events") as events:
        assert [event["data"]["state"] for event in events] == ["succeeded"]
    assert requests.get(f"{api}/jobs/job_none/events", timeout=30).status_code == 404


def test_stream_of_all_jobs_resumes_after_last_event(api: str, ctx: Context) -> None:
    with following(f"{api}/events") as events:
        first = queued(ctx)
        seen = next(events)
        assert seen["data"] == {"job": first, "state": "queued"}
    move(ctx, first, *PATH)
    with following(f"{api}/events", **{"Last-Event-ID": seen["id"]}) as events:
        missed = [next(events)["data"]["state"] for _ in PATH]
        assert missed == [state.value for state in PATH]
        second = queued(ctx)
        assert next(events)["data"] == {"job": second, "state": "queued"}


def test_lost_changes_are_reported(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    (oldest,) = ctx.store.redis.xrange(keys.CHANGES, count=1)
    move(ctx, job_id, *PATH)
    ctx.store.redis.xtrim(keys.CHANGES, maxlen=2, approximate=False)
    last = oldest[0].decode()
    with following(f"{api}/events", **{"Last-Event-ID": last}) as events:
        assert next(events) == {"event": "lost", "data": {"after": last}}
        assert next(events)["data"]["state"] == "downloading"
    bad = requests.get(f"{api}/events", headers={"Last-Event-ID": "x"}, timeout=30)
    assert bad.status_code == 422


def test_one_connection_reads_for_all_listeners(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    with (
        following(f"{api}/events"),
        following(f"{api}/events"),
        following(f"{api}/jobs/{job_id}/events") as events,
    ):
        next(events)
        assert eventually(lambda: followers(ctx)) == 1


def test_slow_listener_is_disconnected_and_can_resume(
    api: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_BEHIND", 5)
    port = int(api.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in slow.recv(4096)
        # Far more than all buffers on the way can hold.
        state = "x" * 10_000
        for _ in range(10):
            with ctx.store.redis.pipeline() as pipe:
                for _ in range(200):
                    pipe.xadd(keys.CHANGES, {"job": "job_x", "state": state})
                pipe.execute()
        read = b""
        slow.settimeout(60)
        while chunk := slow.recv(1 << 20):
            read += chunk
    assert 0 < read.count(b"id: ") < 2000


def test_streams_survive_a_redis_restart(overrides: dict[str, str], tmp_path: Path) -> None:
    server = EmbeddedRedis(read_settings(data_dir=tmp_path / "own"))
    settings = read_settings(**{**overrides, "redis_url": server.start()})
    try:
        with serving(create_app(settings), timeout_graceful_shutdown=1) as url:
            client = LocalClient(settings)
            job_id = client.submit("acedata-flux", "a cat").id
            with (
                following(f"{url}/v1/jobs/{job_id}/events") as events,
                following(f"{url}/v1/events") as all_events,
            ):
                next(events)
                server.kill()
                server.start()
                client.cancel(job_id)
                assert next(events)["data"]["state"] == "cancelled"
                assert next(all_events)["data"] == {"job": job_id, "state": "cancelled"}
    finally:
        server.stop()


def test_server_stops_at_once_with_open_streams(
    start: Callable[..., Process], ctx: Context
) -> None:
    port = free_port()
    line = parse_procfile(PROCFILE.read_text())["api"]
    process = start("/bin/sh", "-c", f"exec {line}", API_PORT=str(port))
    eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
    url, job_id = f"http://127.0.0.1:{port}/v1", queued(ctx)
    with (
        following(f"{url}/events") as all_events,
        following(f"{url}/jobs/{job_id}/events") as events,
        ThreadPoolExecutor(1) as thread,
    ):
        waiting = thread.submit(requests.get, f"{url}/jobs/{job_id}?wait=60", timeout=30)
        next(events)
        process.send(signal.SIGTERM)
        assert (list(events), list(all_events)) == ([], [])
        assert waiting.result().json()["state"] == "queued"
    assert process.stop() == -signal.SIGTERM or process.popen.returncode == 0
    assert "Traceback" not in process.output
    assert "Cancel" not in process.output


def test_as_completed_yields_jobs_as_they_finish(settings: Settings, ctx: Context) -> None:
    client = LocalClient(settings)
    ids = [queued(ctx) for _ in range(3)]
    move(ctx, ids[1], *PATH)
    done = client.as_completed([*ids, ids[1]])
    assert next(done).id == ids[1]
    threading.Timer(0.1, move, (ctx, ids[2], State.CANCELLED)).start()
    assert next(done).id == ids[2]
    with pytest.raises(TimeoutError, match=f"{ids[0]} is queued after 0 s"):
        list(client.as_completed(ids, timeout_s=0))
    with pytest.raises(UnknownJobError, match="no job job_none"):
        list(client.as_completed([ids[1], "job_none"]))
    move(ctx, ids[0], State.CANCELLED)
    assert [job.id for job in done] == [ids[0]]
    assert list(client.as_completed([])) == []
