"""The receiver among strangers and without its Redis: every wait, size and count has an end."""

import json
import re
import select
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis
import requests

from imagequeue.config import redis as redis_module
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.tokens import build_callback_url
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.local.ports import free_port
from imagequeue.store import keys
from imagequeue.store.counters import Counters
from imagequeue.worker.context import Context
from imagequeue.worker.receiver import application as receiver_module
from imagequeue.worker.receiver import bounded_protocol
from imagequeue.worker.receiver.application import (
    MAX_BODY_BYTES,
    MAX_QUEUED_MESSAGES,
    create_app,
    server_options,
)
from imagequeue.worker.receiver.bounded_protocol import MAX_HEAD_BYTES
from support.asgi import serving
from support.processes import Process, answers, eventually

JOB = "job_01JD0000000000000000000000"
SHORT_S = 0.3
Start = Callable[..., Process]


def url_of(settings: Settings, job_id: str = JOB) -> str:
    return build_callback_url("", settings.signing_secrets, "acedata-flux", job_id)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings), **server_options()) as url:
        yield url


def post(url: str, body: bytes | Iterable[bytes] = b"{}") -> int:
    return requests.post(url, body, timeout=10).status_code


def head(settings: Settings, *headers: str, version: str = "1.1") -> bytes:
    """A request's head, or its beginning where the last header is empty."""
    lines = [f"POST {url_of(settings)} HTTP/{version}", "Host: receiver", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(settings: Settings, body: bytes = b"{}") -> bytes:
    return head(settings, f"Content-Length: {len(body)}") + body


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10)


def status(sock: socket.socket) -> int:
    """The status of one answer, whose body is read too where its length is known."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = sock.recv(65536)
        assert more, answer
        answer += more
    if length := re.search(rb"content-length: (\d+)", answer):
        while len(answer.partition(b"\r\n\r\n")[2]) < int(length[1]):
            answer += sock.recv(65536)
    return int(answer.split()[1])


def is_dropped(sock: socket.socket) -> bool:
    """Whether the other side hangs up, after whatever it still has to say."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def drip(sock: socket.socket) -> None:
    """Send a byte at a time until the other side answers or hangs up, or it is hopeless."""
    for _ in range(500):
        try:
            sock.sendall(b"x")
        except ConnectionError:
            return
        if select.select([sock], [], [], 0.02)[0]:
            return
    raise AssertionError("the receiver listened to the end")


def test_a_head_that_drips_is_dropped(
    receiver: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        sock.sendall(head(settings)[:-2])
        drip(sock)
        assert is_dropped(sock)


def test_a_second_head_that_drips_is_dropped(
    receiver: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        sock.sendall(whole(settings))
        assert status(sock) == 200
        sock.sendall(head(settings)[:-2])
        drip(sock)
        assert is_dropped(sock)


def test_a_second_request_is_served_after_a_pause(
    receiver: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        for _ in range(2):
            sock.sendall(whole(settings))
            assert status(sock) == 200
            # The rest between two requests is no head that drips.
            time.sleep(2 * SHORT_S)
        sock.sendall(whole(settings))
        assert status(sock) == 200


def test_a_connection_that_says_nothing_is_dropped(
    receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        assert is_dropped(sock)


def test_a_body_that_drips_is_refused_and_not_kept(
    receiver: str, settings: Settings, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "BODY_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        sock.sendall(head(settings, "Content-Length: 600"))
        drip(sock)
        assert status(sock) == 408
    assert not ctx.inbox.list_unread(JOB)


@pytest.mark.parametrize("end", ["", "\r\n\r\n"], ids=["endless", "whole"])
def test_a_head_above_the_bound_is_refused(
    receiver: str, settings: Settings, ctx: Context, end: str
) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings)[:-2] + b"X: " + b"x" * MAX_HEAD_BYTES + end.encode())
        assert status(sock) == 400
        assert is_dropped(sock)
    assert not ctx.inbox.list_unread(JOB)


def test_a_head_below_the_bound_is_served(receiver: str, settings: Settings) -> None:
    long = head(settings, "X: " + "x" * (MAX_HEAD_BYTES - 300), "Content-Length: 0")
    with connect(receiver) as sock:
        sock.sendall(long[:-100])
        # For the receiver to see a head that is not whole yet.
        time.sleep(0.1)
        sock.sendall(long[-100:])
        assert status(sock) == 200


def test_more_connections_than_the_bound_are_refused_until_some_are_gone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "MAX_CONNECTIONS", 5)
    with serving(create_app(settings), **server_options()) as receiver:
        url = receiver + url_of(settings)
        idle = [connect(receiver) for _ in range(5)]
        assert post(url) == 503
        for sock in idle:
            sock.close()
        eventually(lambda: post(url) == 200)


def test_a_body_in_chunks_is_kept_up_to_the_bound(
    receiver: str, settings: Settings, ctx: Context
) -> None:
    chunks = [b"x" * 1024] * (MAX_BODY_BYTES // 1024)
    assert post(receiver + url_of(settings), iter(chunks)) == 200
    assert post(receiver + url_of(settings), iter([*chunks, b"x"])) == 413
    (kept,) = ctx.inbox.list_unread(JOB).values()
    assert kept.body == b"".join(chunks)


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)], ids=["plain", "expect"])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(
    receiver: str, settings: Settings, expect: tuple[str, ...]
) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings, f"Content-Length: {MAX_BODY_BYTES + 1}", *expect))
        assert status(sock) == 413


def test_who_asks_first_is_told_to_continue(
    receiver: str, settings: Settings, ctx: Context
) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings, "Content-Length: 2", "Expect: 100-continue"))
        assert status(sock) == 100
        sock.sendall(b"{}")
        assert status(sock) == 200
    assert len(ctx.inbox.list_unread(JOB)) == 1


def test_http_1_0_is_served_and_the_connection_ended(receiver: str, settings: Settings) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings, "Content-Length: 2", version="1.0") + b"{}")
        assert status(sock) == 200
        assert is_dropped(sock)


def run_receiver(start: Start) -> tuple[Process, str]:
    port = free_port()
    process = start(sys.executable, "-m", "imagequeue.worker.receiver", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(f"{url}/healthz"))
    return process, url


def test_what_hangs_up_or_is_no_http_is_neither_kept_nor_logged(
    start: Start, settings: Settings, ctx: Context
) -> None:
    process, receiver = run_receiver(start)
    before = process.output
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n\r\n", b"GET /\r\n"):
        with connect(receiver) as sock:
            sock.sendall(garbage + b"\r\n\r\n")
            assert status(sock) == 400
    for half in (head(settings, "Content-Length: 100") + b"x" * 50, whole(settings)[:20]):
        for _ in range(20):
            with connect(receiver) as sock:
                sock.sendall(half)
    assert post(receiver + url_of(settings), b"whole") == 200
    assert [callback.body for callback in ctx.inbox.list_unread(JOB).values()] == [b"whole"]
    assert process.output == before
    process.stop()
    assert "Traceback" not in process.output


@pytest.fixture
def own_redis(overrides: dict[str, str], tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, and the settings point to it."""
    server = EmbeddedRedis(read_settings(data_dir=tmp_path / "own"))
    overrides["redis_url"] = server.start()
    yield server
    server.stop()


def get(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def test_while_redis_is_away_callbacks_are_put_off_and_then_kept_again(
    own_redis: EmbeddedRedis, start: Start, settings: Settings
) -> None:
    process, receiver = run_receiver(start)
    url = receiver + url_of(settings)
    assert (post(url), get(f"{receiver}/readyz")) == (200, 200)
    own_redis.kill()
    assert (post(url), get(f"{receiver}/readyz"), get(f"{receiver}/healthz")) == (503, 503, 200)
    own_redis.start()
    eventually(lambda: post(url) == 200)
    eventually(lambda: get(f"{receiver}/readyz") == 200)
    assert "Traceback" not in process.output


def test_while_redis_is_frozen_callbacks_are_put_off_and_then_kept_again(
    own_redis: EmbeddedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "BRIEF_S", SHORT_S)
    with redis.Redis.from_url(own_redis.url) as client:
        server = psutil.Process(client.info("server")["process_id"])
    with serving(create_app(settings), **server_options()) as receiver:
        url = receiver + url_of(settings)
        server.suspend()
        try:
            with ThreadPoolExecutor(100) as pool:
                assert set(pool.map(post, [url] * 100)) == {503}
            assert (get(f"{receiver}/readyz"), get(f"{receiver}/healthz")) == (503, 200)
        finally:
            server.resume()
        eventually(lambda: post(url) == 200)
        eventually(lambda: get(f"{receiver}/readyz") == 200)


@pytest.mark.parametrize(
    ("setting", "broken", "good"), [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")]
)
def test_a_redis_that_takes_no_writes_makes_the_receiver_unready(
    receiver: str, settings: Settings, ctx: Context, setting: str, broken: str, good: str
) -> None:
    ctx.store.redis.config_set(setting, broken)
    try:
        assert get(f"{receiver}/readyz") == 503
        assert post(receiver + url_of(settings)) == 503
        assert get(f"{receiver}/healthz") == 200
    finally:
        ctx.store.redis.config_set(setting, good)
    assert get(f"{receiver}/readyz") == 200


def test_every_end_of_a_request_is_counted(
    settings: Settings, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "BODY_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(receiver_module, "FLUSH_COUNTS_EVERY_S", SHORT_S / 10)
    sums = Counters(ctx.store.redis).read
    with serving(create_app(settings), **server_options()) as receiver:
        url = receiver + url_of(settings)
        ctx.store.redis.config_set("maxmemory", "1")
        try:
            assert post(url) == 503
            # Meanwhile the counts cannot be written either.
            time.sleep(SHORT_S)
        finally:
            ctx.store.redis.config_set("maxmemory", "0")
        assert [post(url) for _ in range(3)] == [200] * 3
        assert [post(url + wrong) for wrong in "01"] == [404] * 2
        assert post(url, b"x" * (MAX_BODY_BYTES + 1)) == 413
        with connect(receiver) as sock:
            sock.sendall(head(settings, "Content-Length: 1"))
            assert status(sock) == 408
    ends = {"accepted": 3, "forged": 2, "oversized": 1, "slow": 1, "not_kept": 1}
    expected = {f"callbacks.{name}": count for name, count in ends.items()}
    eventually(lambda: expected.items() <= sums().items())
    stored = {n: count for n, count in sums().items() if n.startswith("callbacks.stored_ms.")}
    assert stored.pop("callbacks.stored_ms.us") > 0
    assert sum(stored.values()) == 3
    assert all(name.startswith("callbacks.stored_ms.le.") for name in stored)


def hinted(ctx: Context) -> list[str]:
    """The jobs that messages in the callback queue name."""
    messages = [json.loads(message) for message in ctx.store.redis.lrange("callback", 0, -1)]
    return [message["headers"]["id"].removesuffix(".callback") for message in messages]


def test_callbacks_that_come_at_once_are_all_kept_in_their_jobs_lists(
    receiver: str, settings: Settings, ctx: Context
) -> None:
    jobs = [f"job_{number}" for number in range(10)]
    sent = [(job, f"{job} {number}".encode()) for number in range(20) for job in jobs]
    with ThreadPoolExecutor(20) as pool:
        ends = pool.map(lambda one: post(receiver + url_of(settings, one[0]), one[1]), sent)
        assert set(ends) == {200}
    for job in jobs:
        kept = {callback.body for callback in ctx.inbox.list_unread(job).values()}
        assert kept == {body for of, body in sent if of == job}
    assert {job.decode() for job in ctx.store.redis.zrange(keys.due(Queue.CALLBACK), 0, -1)} == {
        *jobs
    }


def test_each_job_is_hinted(receiver: str, settings: Settings, ctx: Context) -> None:
    jobs = [f"job_{number}" for number in range(MAX_QUEUED_MESSAGES // 2)]
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda job: post(receiver + url_of(settings, job)), jobs)) == {200}
    eventually(lambda: {*hinted(ctx)} == {*jobs})


def test_no_more_hints_stand_in_the_queue_than_keep_workers_busy(
    settings: Settings, ctx: Context
) -> None:
    jobs = [f"job_{number}" for number in range(3 * MAX_QUEUED_MESSAGES)]
    with serving(create_app(settings), **server_options()) as receiver:
        urls = [receiver + url_of(settings, job) for job in jobs]
        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(post, urls)) == {200}
        eventually(lambda: len(hinted(ctx)) >= MAX_QUEUED_MESSAGES)
        assert [post(url) for url in urls[:10]] == [200] * 10
    assert len(hinted(ctx)) == MAX_QUEUED_MESSAGES
    assert ctx.store.redis.zcard(keys.due(Queue.CALLBACK)) == len(jobs)
