"""Jobs that one release starts and another finishes: nothing is lost, and nothing paid twice."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
import requests
from conftest import Start

from imagequeue import Client
from imagequeue.producer.local.ports import free_port
from imagequeue.store import keys
from support.checkout import install_commit
from support.media import validate_file
from support.processes import Process, answers, eventually, sandbox

# The release before this one. Whenever a release is made, this becomes its commit.
PREVIOUS_RELEASE = "f833f96"
# Its processes import everything anew, all at once.
START_S = 60


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of the previous release."""
    return str(install_commit(PREVIOUS_RELEASE, tmp_path_factory.mktemp("previous")))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The sandbox's log of what it charged."""
    return tmp_path / "accepted.jsonl"


@pytest.fixture
def provider(tmp_path: Path, log: Path) -> Iterator[str]:
    # kie sends a callback again after a minute, which is three seconds at this speed.
    with sandbox(tmp_path, "--speed", "20", "--kie-limit", "0", "--log", str(log)) as url:
        yield url


@pytest.fixture
def overrides(overrides: dict[str, str], provider: str) -> dict[str, str]:
    # Only what both releases know: each refuses other settings.
    both = {k: v for k, v in overrides.items() if k not in ("archive_url", "retention_s")}
    return {
        **both,
        "kie_base_url": provider,
        "acedata_base_url": provider,
        "download_trusted_hosts": provider.removeprefix("http://"),
        "public_url": f"http://127.0.0.1:{free_port()}",
        "acedata_poll_delays": "0.2,1,2",
        # The callback comes before.
        "kie_poll_delays": "20,20",
        "sweep_every_s": "0.1",
        "lease_s": "3",
    }


class Release(NamedTuple):
    """Starts processes of one release."""

    python: str
    start: Start
    public_url: str

    def start_api(self) -> tuple[Process, str]:
        port = str(free_port())
        process = self.start(self.python, "-m", "imagequeue.producer.api", "--port", port)
        return process, f"http://127.0.0.1:{port}"

    def start_receiver(self) -> Process:
        port = self.public_url.rpartition(":")[2]
        return self.start(self.python, "-m", "imagequeue.worker.receiver", "--port", port)

    def start_worker(self, queues: str) -> Process:
        celery = (self.python, "-m", "celery", "-A", "imagequeue.worker", "worker")
        name = ("-n", f"{free_port()}@%h", "--without-gossip", "--without-mingle")
        return self.start(*celery, "-Q", queues, "-P", "threads", "-c", "4", *name)


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_one_release_finishes_what_the_other_started(
    previous: str, start: Start, overrides: dict[str, str], log: Path, direction: str
) -> None:
    pythons = [previous, sys.executable]
    if direction == "downgrade":
        pythons.reverse()
    first, second = (Release(python, start, overrides["public_url"]) for python in pythons)
    jobs = start_jobs(first, overrides["redis_url"], log)

    (_, api), _ = second.start_api(), second.start_receiver()
    second.start_worker("submit,poll,callback,download")
    eventually(lambda: answers(f"{api}/healthz"), START_S)
    with Client(api) as client:
        for prompt, job_id in jobs.items():
            job = client.wait(job_id, timeout_s=60)
            assert (job.prompt, job.state) == (prompt, "succeeded")
            for image in job.images:
                content = image.read()
                assert hashlib.sha256(content).hexdigest() == image.sha256
                (log.parent / "image").write_bytes(content)
                assert validate_file(log.parent / "image").content_type == image.content_type
    assert list_paid(log) == sorted(jobs)
    (today,) = requests.get(f"{api}/v1/costs", timeout=5).json()["costs"]
    assert today["tasks"] == len(jobs)


def start_jobs(release: Release, redis_url: str, log: Path) -> dict[str, str]:
    """Start jobs that each wait for something else, and stop; returns their ids by prompt."""
    (api_process, api), receiver = release.start_api(), release.start_receiver()
    submitter, callback_reader = release.start_worker("submit"), release.start_worker("callback")
    urls = (f"{api}/healthz", f"{release.public_url}/healthz")
    eventually(lambda: all(map(answers, urls)), START_S)
    jobs: dict[str, str] = {}

    def submit(state: str, provider: str, prompt: str, **options: Any) -> str:
        jobs[prompt] = job_id = client.submit(provider, prompt, **options).id
        eventually(lambda: client.get(job_id).state == state, START_S)
        return job_id

    with Client(api) as client, redis.Redis.from_url(redis_url) as stored:
        submit("downloading", "kie-flux-kontext", "its image is not saved")
        submit("downloading", "acedata-flux", "its images are not saved", params={"count": 2})
        callback_reader.stop()
        job_id = submit("waiting", "kie-flux-kontext", "its callback is not read")
        eventually(lambda: stored.exists(keys.callbacks(job_id)))
        receiver.stop()
        submit("waiting", "kie-midjourney", "its callback is not delivered")
        submit("waiting", "acedata-flux", "it was not polled", delivery="poll")
        prompt = "its response was not read [answer=slow:100]"
        submit("submitting", "kie-flux-kontext", prompt)
        eventually(lambda: prompt in list_paid(log))
        submitter.kill()
        submit("queued", "kie-flux-kontext", "it was not sent")
        submit("queued", "acedata-flux", "it was not sent either", priority="low", delivery="poll")
    api_process.stop()
    return jobs


def list_paid(log: Path) -> list[str]:
    """Return the prompts that were paid for, each as often as that."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sorted(json.loads(line)["prompt"] for line in lines)
