"""Workers that are killed, stopped or replaced, against the sandbox: nothing is paid twice."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest
from conftest import Start

from imagequeue import Client, Job
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
from support.http_servers import echoing
from support.jobs import path
from support.processes import WORKER, Process, answers, eventually, sandbox


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's log of every submission that it accepted and charged."""
    return tmp_path_factory.mktemp("sandbox") / "accepted.jsonl"


@pytest.fixture(scope="module")
def provider(log: Path) -> Iterator[str]:
    quick = ("--latency", "0.3", "--kie-limit", "0", "--log", str(log))
    with sandbox(log.parent, *quick) as url:
        yield url


class Accounts:
    """What the sandbox is paid for from now on."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._before = len(self._read())

    def _read(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def prompts(self) -> list[str]:
        """Return the prompts, once for each payment."""
        return sorted(json.loads(line)["prompt"] for line in self._read()[self._before :])


@pytest.fixture
def accounts(log: Path, provider: str) -> Accounts:
    return Accounts(log)


@pytest.fixture
def overrides(overrides: dict[str, str], provider: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": provider,
        "acedata_base_url": provider,
        "download_trusted_hosts": provider.removeprefix("http://"),
        "public_url": f"http://127.0.0.1:{free_port()}",
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
        "lease_s": "3",
        "submit_timeout_s": "2",
    }


def receiver_command(url: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "imagequeue.worker.receiver", "--port", url.rpartition(":")[2])


@pytest.fixture
def receiver(start: Start, settings: Settings) -> Process:
    assert settings.public_url
    process = start(*receiver_command(settings.public_url))
    eventually(lambda: answers(f"{settings.public_url}/healthz"))
    return process


def test_jobs_of_a_killed_worker_are_paid_once(
    start: Start, settings: Settings, receiver: Process, accounts: Accounts
) -> None:
    client = LocalClient(settings)
    worker = start(*WORKER)
    waiting = [f"image {n} [slow=2]" for n in range(12)]
    jobs = [client.submit("acedata-flux", prompt, delivery="poll") for prompt in waiting]
    eventually(lambda: client.counts()[State.WAITING] == len(jobs))
    # The response to this submission has no time to arrive.
    submitting = "a cat [answer=slow:1.5] [slow=2]"
    jobs.append(client.submit("kie-flux-kontext", submitting, delivery="callback"))
    eventually(lambda: submitting in accounts.prompts())
    worker.kill()
    start(*WORKER)
    ended = [client.wait(job.id, 60) for job in jobs]
    assert {job.state for job in ended} == {State.SUCCEEDED}
    assert accounts.prompts() == sorted([*waiting, submitting])


def test_stopping_worker_records_the_response_it_waits_for(
    start: Start, settings: Settings, accounts: Accounts
) -> None:
    client = LocalClient(settings)
    worker = start(*WORKER)
    job = client.submit("acedata-flux", "a cat [answer=slow:1]", delivery="poll")
    eventually(accounts.prompts)
    assert worker.stop() == 0
    assert path(client.get(job.id)) == ["queued", "submitting", "waiting"]
    start(*WORKER)
    assert client.wait(job.id, 60).state is State.SUCCEEDED


class Load:
    """Threads that each submit a job, wait for its success, and begin again."""

    def __init__(self, client: Client, webhook_url: str) -> None:
        self.finished: list[Job] = []
        self._client = client
        self._webhook_url = webhook_url
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor()

    def __enter__(self) -> Self:
        requests = ("kie-flux-kontext", "callback"), ("acedata-flux", "poll")
        self._threads = [self._pool.submit(self._run, *each) for each in requests * 2]
        return self

    def _run(self, provider: str, delivery: str) -> None:
        while not self._stopped.is_set():
            prompt = f"a cat {uuid4()} [answer=slow:0.2]"
            hook = {"delivery": delivery, "webhook_url": self._webhook_url}
            job = self._client.run(provider, prompt, **hook)
            assert job.prompt == prompt
            self.finished.append(job)

    def wait_for_more(self) -> None:
        """Return once a job has finished that began after this call."""
        enough = len(self.finished) + len(self._threads) + 1
        eventually(lambda: len(self.finished) >= enough or any(t.done() for t in self._threads))

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.result()
        self._pool.shutdown()


def is_told(job: Job) -> bool:
    """Whether the webhook of a job is delivered."""
    return any(delivery.error is None for delivery in job.deliveries)


def test_every_process_restarts_under_load(
    start: Start, overrides: dict[str, str], receiver: Process, accounts: Accounts
) -> None:
    api, flower = free_port(), free_port()
    celery = ("celery", "-A", "imagequeue.worker")
    worker = (*celery, "worker", "-P", "threads", "-c", "8", "--without-gossip", "--without-mingle")
    commands = {
        "api": (sys.executable, "-m", "imagequeue.producer.api", "--port", str(api)),
        "receiver": receiver_command(overrides["public_url"]),
        "a worker": (*worker, "-Q", "submit,poll,callback", "-n", "a@%h"),
        "another worker": (*worker, "-Q", "submit,poll,callback", "-n", "b@%h"),
        "downloader": (*worker, "-Q", "download", "-n", "downloader@%h"),
        "notifier": (*worker, "-Q", "notify", "-n", "notifier@%h"),
        "flower": (*celery, "flower", f"--port={flower}"),
    }
    with echoing() as hooks, Client(f"http://127.0.0.1:{api}") as client:
        hooked = {"IMAGEQUEUE_WEBHOOK_SECRET": "0" * 32, "IMAGEQUEUE_WEBHOOK_TRUSTED_HOSTS": hooks}
        processes = {"receiver": receiver}
        for name in commands.keys() - processes.keys():
            processes[name] = start(*commands[name], **hooked)
        with Load(client, f"http://{hooks}/") as load:
            for name, process in processes.items():
                load.wait_for_more()
                assert process.stop() in (0, -signal.SIGTERM), name
                start(*commands[name], **hooked)
            load.wait_for_more()
        eventually(lambda: answers(f"http://127.0.0.1:{flower}/healthcheck"))
        for job in load.finished:
            assert "unconfirmed" not in [change.to for change in job.history]
            eventually(lambda job=job: is_told(client.get(job)))
        assert accounts.prompts() == sorted(job.prompt for job in load.finished)


def test_missing_receiver_only_delays_jobs(start: Start, settings: Settings) -> None:
    start(*WORKER)
    client = LocalClient(settings)
    job = client.submit("kie-flux-kontext", "a cat", delivery="callback")
    ended = client.wait(job.id, 60)
    assert (ended.state, ended.history[-2].cause) == (State.SUCCEEDED, "poll")
