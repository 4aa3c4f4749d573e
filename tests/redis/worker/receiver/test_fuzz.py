"""Recorded callbacks, changed at random, and arbitrary bytes: each is answered and counted."""

import socket
import sys
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from typing import Any, NamedTuple

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from imagequeue.config.queues import Queue
from imagequeue.config.settings import PREFIX
from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.job import State, add_seconds
from imagequeue.jobs.tokens import build_callback_url
from imagequeue.producer.local.ports import free_port
from imagequeue.providers.wire import INLINE
from imagequeue.store import keys
from imagequeue.store.counters import Counters
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.application import MAX_BODY_BYTES
from support.examples import examples
from support.jobs import kie_refused, queued
from support.processes import Process, answers, eventually, running
from support.stub import Stub
from support.worker.hostile_callbacks import (
    HEADERS,
    HOSTILE,
    ID_FIELDS,
    OTHER,
    OWN,
    TEMPLATES,
    UNDOCUMENTED,
    mutated,
    wordy,
)

fuzz = partial(
    examples,
    # Not shrunk: each try takes real requests.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Receiver(NamedTuple):
    """A receiver in a process of its own, and a kept-alive connection to it."""

    process: Process
    connection: HTTPConnection
    secrets: list[bytes]

    def post(self, provider: str, job_id: str, body: bytes, headers: dict[str, str]) -> int:
        url = build_callback_url("", self.secrets, provider, job_id)
        self.connection.request("POST", url, body, headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


SECRET = "a secret of the tests"
# With a list of hosts every URL in a callback is parsed.
SETTINGS = {
    "secret_key": SECRET,
    "callback_hosts": "*.example.com,a.example",
    "log_level": "ERROR",
}


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    unknown = kie_refused(422, "recordInfo is null")  # the provider knows no task
    stub.answer = lambda _, path, __: (200, {}) if path.endswith("/tasks") else unknown
    bases = {"kie_base_url": stub.url, "acedata_base_url": stub.url}
    return {**overrides, **SETTINGS, **bases}


@pytest.fixture(scope="module")
def shared_receiver(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    folder, port = tmp_path_factory.mktemp("receiver"), free_port()
    settings = {**SETTINGS, "redis_url": redis_server, "data_dir": str(folder)}
    env = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "imagequeue.worker.receiver", "--port", str(port)]
    with running(command, env, folder) as process:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        yield Receiver(process, connection, [SECRET.encode()])
        connection.close()


@pytest.fixture
def receiver(shared_receiver: Receiver) -> Iterator[Receiver]:
    yield shared_receiver
    assert shared_receiver.process.popen.poll() is None
    assert shared_receiver.process.output == ""


def taken(ctx: Context, provider: str, task: str | None, state: State = State.WAITING) -> str:
    """Add a job that its provider has, or may have, accepted."""
    job_id, now = queued(ctx, provider=provider), ctx.now()
    ctx.store.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(State.SUBMITTING, "test", now, add_seconds(now, 60)),
    )
    ctx.store.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(state, "test", now, add_seconds(now, 60), task_id=task),
    )
    return job_id


def records(ctx: Context, job_ids: list[str]) -> list[Any]:
    return ctx.store.redis.mget([keys.record(job_id) for job_id in job_ids])


def read(ctx: Context, job_id: str) -> None:
    """Read a job's callbacks; each is counted, and quarantined if it was not used."""
    unread = ctx.inbox.list_unread(job_id)
    ctx.store.redis.delete(keys.QUARANTINE, keys.QUARANTINE_BYTES)
    before = Counters(ctx.store.redis).read()
    read_callbacks(ctx, job_id)
    assert not ctx.inbox.list_unread(job_id)
    assert ctx.store.redis.zscore(keys.due(Queue.CALLBACK), job_id) is None
    sums = Counters(ctx.store.redis).read()
    counted = {
        outcome: sums.get(name, 0) - before.get(name, 0)
        for outcome in Outcome
        for name in [f"callbacks.{outcome}"]
    }
    assert sum(counted.values()) == len(unread)
    kept = [(one.job_id, one.reason, one.callback.body) for one in Quarantine(ctx.store.redis)]
    bodies = {callback.body for callback in unread.values()}
    assert all(of == job_id and body in bodies for of, _, body in kept)
    reasons = [reason for _, reason, _ in kept]
    for outcome in set(Outcome) - {Outcome.SETTLED, Outcome.DUPLICATE}:
        assert reasons.count(outcome) == counted[outcome]
    assert not {Outcome.SETTLED, Outcome.DUPLICATE} & {*reasons}


one_callback = st.tuples(
    st.sampled_from(sorted(TEMPLATES)).flatmap(
        lambda provider: st.tuples(
            st.just(provider),
            st.lists(mutated(provider) | mutated(provider) | UNDOCUMENTED, min_size=3, max_size=3),
        )
    ),
    st.sampled_from([(OWN, State.WAITING), (None, State.UNCONFIRMED)]),
    st.sampled_from(HEADERS),
)


@fuzz(8)
@given(sent=st.lists(one_callback, min_size=12, max_size=12))
def test_any_callback_is_answered_read_and_counted(
    ctx: Context, receiver: Receiver, sent: list[Any]
) -> None:
    bystanders = [taken(ctx, provider, OTHER) for provider in TEMPLATES]
    before = records(ctx, bystanders)
    for (provider, bodies), (task, state), headers in sent:
        job_id = taken(ctx, provider, task, state)
        for body in bodies:
            expected = 200 if len(body) <= MAX_BODY_BYTES else 413
            assert receiver.post(provider, job_id, body, headers) == expected
        read(ctx, job_id)
        job = ctx.store.get(job_id)
        assert all(image.source_url.lower().startswith(("http", INLINE)) for image in job.images)
        assert all(len(entry.cause) < 400 for entry in job.history)
    assert records(ctx, bystanders) == before


@pytest.mark.parametrize("provider", sorted(TEMPLATES))
def test_hostile_messages_are_read_and_truncated(
    ctx: Context, receiver: Receiver, provider: str
) -> None:
    failures = [body for body in TEMPLATES[provider] if "error" in body or body.get("code") == 501]
    failures += [body for body in TEMPLATES[provider] if body.get("code") == 500]
    for raw in HOSTILE:
        job_id = taken(ctx, provider, OWN)
        assert receiver.post(provider, job_id, wordy(failures[0], raw), {}) in (200, 413)
        read(ctx, job_id)
        job = ctx.store.get(job_id)
        if job.error:
            assert len(job.error.code) <= 300
            assert len(job.error.message) <= 300


foreign = st.sampled_from(sorted(TEMPLATES)).flatmap(
    lambda provider: st.tuples(
        st.just(provider),
        st.lists(mutated(provider, OTHER, kept=ID_FIELDS), min_size=10, max_size=10),
    )
)


@fuzz(6)
@given(sent=st.lists(foreign, min_size=2, max_size=2))
def test_other_jobs_task_changes_neither_job(
    ctx: Context, receiver: Receiver, sent: list[Any]
) -> None:
    for provider, bodies in sent:
        job_id, other = taken(ctx, provider, OWN), taken(ctx, provider, OTHER)
        before = records(ctx, [job_id, other])
        for body in bodies:
            assert receiver.post(provider, job_id, body, {}) == 200
        read(ctx, job_id)
        assert records(ctx, [job_id, other]) == before


def test_memory_stays_flat(ctx: Context, receiver: Receiver) -> None:
    process = psutil.Process(receiver.process.popen.pid)
    port = receiver.connection.port
    path = build_callback_url("", receiver.secrets, "acedata-flux", f"job_{1:026}")
    half = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n".encode() + b"x" * 99999
    )

    def round_of_requests() -> None:
        for body in (b"x" * MAX_BODY_BYTES, b"x" * (MAX_BODY_BYTES + 1), b"{}" * 1000):
            for number in range(20):
                receiver.post("acedata-flux", f"job_{number % 2:026}", body, {})
        for chunk in (b"x" * 1000, b"x" * 100_000):
            receiver.connection.request("POST", path, iter([chunk] * 3))
            receiver.connection.getresponse().read()
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                sock.sendall(half)
        ctx.store.redis.delete(*(keys.callbacks(f"job_{n:026}") for n in (0, 1)))

    for _ in range(3):
        round_of_requests()
    before = process.memory_info().rss
    for _ in range(5):
        round_of_requests()
    assert process.memory_info().rss - before < 10 * 1024 * 1024
