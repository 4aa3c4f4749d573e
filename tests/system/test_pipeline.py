"""The pipeline with real worker processes, against the sandbox."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Start

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import Client
from imagequeue.producer.local.ports import free_port
from support.jobs import path
from support.media import validate_file
from support.processes import WORKER, Process, answers, eventually, sandbox

CAT = ("https://example.com/cat.png",)


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


REQUESTS: list[dict[str, Any]] = [
    {"provider": "kie-flux-kontext", "prompt": "one", "delivery": "callback"},
    {"provider": "kie-flux-kontext", "action": "edit", "prompt": "two", "image_urls": CAT},
    {"provider": "kie-midjourney", "prompt": "three", "delivery": "poll"},
    {
        "provider": "kie-midjourney",
        "prompt": "four",
        "image_urls": CAT,
        "params": {"task_type": "video"},
    },
    {"provider": "acedata-flux", "prompt": "five", "params": {"count": 2}},
    {
        "provider": "acedata-flux",
        "action": "edit",
        "prompt": "six",
        "image_urls": CAT,
        "delivery": "poll",
    },
]


def test_every_provider_action_and_delivery_saves_files(
    start: Start, settings: Settings, receiver: Process, accounts: Accounts
) -> None:
    worker = start(*WORKER)
    client = Client(settings)
    jobs = [client.wait(job.id, 60) for job in client.submit_many(REQUESTS)]
    assert [job.state for job in jobs] == [State.SUCCEEDED] * len(jobs), worker.output
    assert [job.history[-2].cause for job in jobs if job.delivery == "poll"] == ["poll"] * 2
    for job in jobs:
        assert path(job) == ["queued", "submitting", "waiting", "downloading", "succeeded"]
        for image in job.images:
            assert image.uri
            assert validate_file(Path(image.uri.removeprefix("file://"))).content_type
    assert accounts.prompts() == sorted(request["prompt"] for request in REQUESTS)


def test_midjourney_follow_up_starts_from_a_task(
    start: Start, settings: Settings, receiver: Process
) -> None:
    start(*WORKER)
    client = Client(settings)
    first = client.wait(client.submit("kie-midjourney", "a city").id, 60)
    params = {"task_id": first.task_id, "image_index": 1}
    upscaled = client.submit("kie-midjourney", action="upscale", params=params)
    assert client.wait(upscaled.id, 60).state is State.SUCCEEDED


def test_waiting_jobs_of_a_killed_worker_are_paid_once(
    start: Start, settings: Settings, accounts: Accounts
) -> None:
    client = Client(settings)
    worker = start(*WORKER)
    prompts = [f"image {n} [slow=1]" for n in range(12)]
    jobs = [client.submit("acedata-flux", prompt, delivery="poll") for prompt in prompts]
    eventually(lambda: client.counts()[State.WAITING] == len(jobs))
    worker.kill()
    start(*WORKER)
    ended = [client.wait(job.id, 60) for job in jobs]
    assert {job.state for job in ended} == {State.SUCCEEDED}
    assert accounts.prompts() == sorted(prompts)


def test_submission_of_a_killed_worker_is_never_sent_again(
    start: Start, settings: Settings, receiver: Process, accounts: Accounts
) -> None:
    client = Client(settings)
    worker = start(*WORKER)
    prompt = "a cat [answer=slow:1.5] [slow=2]"
    job = client.submit("kie-flux-kontext", prompt, delivery="callback")
    eventually(accounts.prompts)
    worker.kill()
    start(*WORKER)
    ended = client.wait(job.id, 60)
    assert ended.state is State.SUCCEEDED
    assert accounts.prompts() == [prompt]


def test_stopping_worker_records_the_response_it_waits_for(
    start: Start, settings: Settings, accounts: Accounts
) -> None:
    client = Client(settings)
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
    client = Client(settings)
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
    client = Client(settings)
    job = client.submit("kie-flux-kontext", "a cat", delivery="callback")
    ended = client.wait(job.id, 60)
    assert (ended.state, ended.history[-2].cause) == (State.SUCCEEDED, "poll")


def test_celery_client_creates_a_job_and_duplicates_make_one(
    start: Start, settings: Settings
) -> None:
    request = {"provider": "acedata-flux", "prompt": "by name", "delivery": "poll"}
    with make_celery(settings) as celery:
        for _ in range(2):
            celery.send_task("imagequeue.create", kwargs=request, task_id="twice", queue="submit")
        bad = celery.send_task("imagequeue.create", kwargs={"provider": "x"}, queue="submit")
    worker = start(*WORKER)
    client = Client(settings)
    (job,) = eventually(lambda: client.list().jobs)
    assert client.wait(job.id, 60).state is State.SUCCEEDED
    worker.wait_for("job_refused")
    assert bad.id in worker.output
    assert len(client.list().jobs) == 1


def test_logs_have_job_provider_and_stage_and_no_secret(
    start: Start, settings: Settings, receiver: Process, provider: str
) -> None:
    worker = start(*WORKER, IMAGEQUEUE_LOG_FORMAT="json")
    client = Client(settings)
    job = client.wait(client.submit("kie-flux-kontext", "a secret wish").id, 60)
    lines = [json.loads(line) for line in worker.output.splitlines() if line.startswith("{")]
    submitted = next(line for line in lines if line["event"] == "job_submitted")
    assert (submitted["job_id"], submitted["provider"], submitted["stage"]) == (
        job.id,
        "kie-flux-kontext",
        "submit",
    )
    url = requests.get(f"{provider}/sandbox/submissions", timeout=5).json()[-1]["callback_url"]
    token = url.rpartition("/")[2]
    for secret in ("a kie key", "a secret of the tests", "a secret wish", token):
        assert secret not in worker.output + receiver.output
