"""Callbacks and polls with real processes: whoever comes first settles, and no 200 is forgotten."""

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
import requests
from conftest import Start
from PIL import Image

from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Job, State, add_seconds, new_job, utc_now
from imagequeue.jobs.tokens import build_callback_url
from imagequeue.producer.local.ports import free_port
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.context import Context, open_context
from support.jobs import kie_callback, kie_done, path
from support.processes import Process, answers, eventually
from support.stub import Stub

WORKER = (
    *("celery", "-A", "imagequeue.worker", "worker", "-Q", "submit,poll,callback,download"),
    *("-P", "threads", "-c", "8", "--without-gossip", "--without-mingle"),
)


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": stub.url,
        "download_trusted_hosts": stub.url.removeprefix("http://"),
        "public_url": f"http://127.0.0.1:{free_port()}",
        "sweep_every_s": "0.1",
        "lease_s": "3",
    }


@pytest.fixture
def live(settings: Settings) -> Iterator[Context]:
    """A context with real time, as the processes have."""
    with make_celery(settings) as celery:
        yield open_context(settings, celery)


def start_receiver(start: Start, settings: Settings) -> Process:
    assert settings.public_url
    port = settings.public_url.rpartition(":")[2]
    process = start("python", "-m", "imagequeue.worker.receiver", "--port", port)
    eventually(lambda: answers(f"{settings.public_url}/readyz"))
    return process


def waiting(live: Context, count: int) -> list[Job]:
    """Add jobs that the provider has accepted, each with a task of its own and a distant poll."""
    now, far = utc_now(), add_seconds(utc_now(), 600)
    fields = {"provider": "kie-flux-kontext", "action": "generate", "delivery": "callback"}
    jobs = [
        new_job(now, **fields)
        .transition_to(State.SUBMITTING, "submit", now, now)
        .transition_to(State.WAITING, "accepted", now, far, task_id=str(uuid4()))
        for _ in range(count)
    ]
    live.store.add(jobs)
    return jobs


def post(settings: Settings, job: Job, body: Any) -> bool:
    """Whether the receiver took a callback for the job."""
    assert settings.public_url
    url = build_callback_url(settings.public_url, settings.signing_secrets, job.provider, job.id)
    try:
        return requests.post(url, json=body, timeout=10).status_code == 200
    except requests.RequestException:
        return False


def test_simultaneous_callbacks_and_poll_settle_once(
    start: Start, settings: Settings, live: Context, stub: Stub
) -> None:
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")

    def answer(method: str, url: str, _: Any) -> Any:
        if url.endswith(".png"):
            return 200, picture.getvalue()
        task = url.partition("taskId=")[2]
        status, body = kie_done(f"{stub.url}/{task}.png")
        return status, {**body, "data": {**body["data"], "taskId": task}}

    stub.answer = answer
    start_receiver(start, settings)
    workers = [start(*WORKER, "-n", f"{number}@%h") for number in range(2)]
    for worker in workers:
        worker.wait_for(" ready.")
    jobs = waiting(live, 10)
    with ThreadPoolExecutor(22) as pool:
        for job in jobs:
            body = kie_callback(f"{stub.url}/{job.task_id}.png", task=job.task_id)
            posts = [pool.submit(post, settings, job, body) for _ in range(10)]
            pool.submit(live.wakeups.wake_no_later_than, Queue.POLL, job.id, utc_now())
            pool.submit(live.dispatcher.dispatch, Queue.POLL, [job.id], utc_now())
            assert all(each.result() for each in posts)
    eventually(lambda: live.store.count_by_state()[State.SUCCEEDED] == len(jobs))
    eventually(lambda: not any(live.inbox.list_unread(job.id) for job in jobs))
    ended = [live.store.get(job.id) for job in jobs]
    for job in ended:
        assert path(job)[2:] == ["waiting", "downloading", "succeeded"]
        assert job.history[-2].cause in ("callback", "poll")
    downloads = Counter(url for _, url, _ in stub.asked if url.endswith(".png"))
    assert downloads == {f"/{job.task_id}.png": 1 for job in jobs}
    assert list(Quarantine(live.store.redis)) == []


def test_every_200_survives_a_killed_receiver(
    start: Start, settings: Settings, live: Context
) -> None:
    receiver = start_receiver(start, settings)
    jobs = waiting(live, 160)
    taken: list[str] = []

    def send(job: Job) -> None:
        if post(settings, job, kie_callback(code=501, task=job.task_id)):
            taken.append(job.id)

    with ThreadPoolExecutor(8) as pool:
        for batch in (jobs[:80], jobs[80:]):
            before = len(taken)
            sent = pool.map(send, batch)
            eventually(partial(lambda enough: len(taken) >= enough, before + 20))
            receiver.send(signal.SIGKILL)
            list(sent)
            receiver = start_receiver(start, settings)
    assert 40 <= len(taken) < len(jobs)
    start(*WORKER)
    eventually(lambda: all(live.store.get(job_id).state is State.FAILED for job_id in taken))
