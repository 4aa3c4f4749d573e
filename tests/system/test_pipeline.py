"""Workers that are killed, stopped or replaced, against the sandbox: nothing is paid twice."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
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


@pytest.fixture
def receiver(start: Start, settings: Settings) -> Process:
    assert settings.public_url
    port = settings.public_url.rpartition(":")[2]
    process = start(sys.executable, "-m", "imagequeue.worker.receiver", "--port", port)
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


def test_rolling_restarts_under_load_lose_nothing(
    start: Start, settings: Settings, accounts: Accounts
) -> None:
    client = LocalClient(settings)
    workers = [start(*WORKER, "-n", f"{name}@%h") for name in ("a", "b")]
    prompts = [f"image {n} [answer=slow:0.2]" for n in range(60)]
    jobs = [client.submit("acedata-flux", prompt, delivery="poll") for prompt in prompts]
    for worker in workers:
        # Otherwise the first might finish every job before the second has started.
        worker.wait_for("ready.")
    for round_, worker in enumerate(workers):
        eventually(lambda n=round_: len(accounts.prompts()) > 10 * (n + 1))
        assert worker.stop() == 0
        start(*WORKER, "-n", f"next-{round_}@%h")
    ended = [client.wait(job.id, 60) for job in jobs]
    assert {job.state for job in ended} == {State.SUCCEEDED}
    assert not any("unconfirmed" in path(job) for job in ended)
    assert accounts.prompts() == sorted(prompts)


def test_missing_receiver_only_delays_jobs(start: Start, settings: Settings) -> None:
    start(*WORKER)
    client = LocalClient(settings)
    job = client.submit("kie-flux-kontext", "a cat", delivery="callback")
    ended = client.wait(job.id, 60)
    assert (ended.state, ended.history[-2].cause) == (State.SUCCEEDED, "poll")
