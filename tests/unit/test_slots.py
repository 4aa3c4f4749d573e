"""Slots: only a few threads run at once, and none holds one while it waits for somebody else."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from imagequeue.providers.wire import Call
from imagequeue.worker.http.client import Http, NoAnswerError
from imagequeue.worker.provider_api import send
from imagequeue.worker.slots import SLOTS, running, waiting


@pytest.fixture
def threads() -> Iterator[list[threading.Thread]]:
    started: list[threading.Thread] = []
    yield started
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()


def start(threads: list[threading.Thread], target: object) -> None:
    thread = threading.Thread(target=target)  # type: ignore[arg-type]
    thread.start()
    threads.append(thread)


def test_only_so_many_threads_run_at_once(threads: list[threading.Thread]) -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with running():
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0005)
                with lock:
                    inside -= 1

    for _ in range(4 * SLOTS):
        start(threads, work)
    for thread in threads:
        thread.join(10)
    assert most == SLOTS


def test_whoever_waits_for_an_answer_lets_others_run(threads: list[threading.Thread]) -> None:
    """A server is silent to as many steps as there are slots, and one more step goes on."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as heard:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        over = threading.Event()

        def step() -> None:
            late = time.monotonic() + 10
            with (
                running(),
                pytest.raises(NoAnswerError),
                Http().exchange("GET", url, deadline=late),
            ):
                pass
            over.set()

        for _ in range(SLOTS):
            start(threads, step)
        for _ in range(SLOTS):
            connection = heard.enter_context(silent.accept()[0])
            connection.recv(1000)
        with running():
            assert not over.is_set()


def test_a_step_that_breaks_gives_its_slot_back() -> None:
    def break_down() -> None:
        with running(), waiting():
            raise TimeoutError

    for _ in range(2 * SLOTS):
        with pytest.raises(TimeoutError):
            break_down()
    with running():
        pass


def test_a_wait_inside_a_wait_gives_back_no_slot_twice(threads: list[threading.Thread]) -> None:
    inside, over = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        with running():
            inside.release()
            over.wait(10)

    with running(), waiting(), waiting():
        for _ in range(SLOTS + 1):
            start(threads, hold)
        for _ in range(SLOTS):
            assert inside.acquire(timeout=5)
        assert not inside.acquire(timeout=0.2)
        over.set()


def test_a_thread_without_a_slot_waits_for_none(threads: list[threading.Thread]) -> None:
    """The sweep, or whoever asks from outside of a step."""
    over = threading.Event()

    def hold() -> None:
        with running():
            over.wait(10)

    for _ in range(SLOTS):
        start(threads, hold)
    with waiting():
        pass
    over.set()


def test_a_paid_answer_is_read_whole_while_others_hold_every_slot(
    threads: list[threading.Thread],
) -> None:
    """As they do while Redis is away; the deadline passes before one of them lets go."""
    over, answers = threading.Event(), []

    def hold() -> None:
        with running():
            over.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as server:
        account = SimpleNamespace(base_url=f"http://127.0.0.1:{server.getsockname()[1]}", key="k")
        settings = SimpleNamespace(account=lambda _: account)
        context: Any = SimpleNamespace(http=Http(), settings=settings)
        provider: Any = SimpleNamespace(account="kie")

        def pay() -> None:
            with running():
                call = Call(method="POST", path="/pay", body={})
                answers.append(send(context, provider, call, time.monotonic() + 1))

        start(threads, pay)
        with server.accept()[0] as connection:
            for _ in range(SLOTS):
                start(threads, hold)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            time.sleep(0.3)
            connection.sendall(b"paid")
            time.sleep(1)
    over.set()
    for thread in threads:
        thread.join(10)
    assert [answer.body for answer in answers] == [b"paid"]
