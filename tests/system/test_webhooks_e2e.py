"""Webhooks end to end: real workers, and a receiver in Node that is down, slow or failing."""

import base64
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
from support.jobs import path
from support.node import copy_program
from support.processes import Process, answers, eventually, running, sandbox

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
TOKEN = "t0ken-of-the-url"
WORKER = (
    *("celery", "-A", "imagequeue.worker", "worker", "-Q", "submit,poll,callback,download,notify"),
    *("-P", "threads", "-c", "8", "--without-gossip", "--without-mingle"),
)


class Hooks:
    """The address of the Node receiver, and its processes."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.netloc = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.netloc}/hooks/{TOKEN}"
        self._folder = folder

    @contextmanager
    def open(self, secret: str, *steps: str) -> Iterator[Process]:
        """Run the receiver; each request gets the next step, and later ones succeed."""
        command = ["node", str(self._folder / "receiver.mjs"), str(self.port), *steps]
        with running(command, {"WEBHOOK_SECRET": secret}, self._folder) as process:
            process.wait_for("listening")
            yield process


def read_requests(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]


def read_acknowledged(process: Process) -> dict[str, list[str]]:
    """Return each job's verified events that were acknowledged: each once, in order."""
    events = {h["id"]: h for h in read_requests(process) if h["status"] == 204}
    by_job = defaultdict(list)
    for event in events.values():
        by_job[event["job"]].append(event["type"])
    return by_job


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    return Hooks(copy_program("receiver.mjs", tmp_path))


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    with sandbox(tmp_path, "--latency", "0.3", "--kie-limit", "0") as url:
        yield url


@pytest.fixture
def overrides(overrides: dict[str, str], provider: str, hooks: Hooks) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": provider,
        "acedata_base_url": provider,
        "download_trusted_hosts": provider.removeprefix("http://"),
        "public_url": f"http://127.0.0.1:{free_port()}",
        "webhook_url": hooks.url,
        "webhook_secret": SECRET,
        "webhook_trusted_hosts": hooks.netloc,
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
        "lease_s": "3",
        "give_up_after_s": "2",
    }


def test_events_arrive_in_order_after_an_outage(
    start: Start, settings: Settings, hooks: Hooks
) -> None:
    worker = start(*WORKER)
    port = str(settings.public_url).rpartition(":")[2]
    receiver = start(sys.executable, "-m", "imagequeue.worker.receiver", "--port", port)
    eventually(lambda: answers(f"{settings.public_url}/healthz"))
    client = LocalClient(settings)
    late = client.submit("kie-flux-kontext", "a cat [slow=5]", delivery="callback")
    quick = client.submit("acedata-flux", "a dog", delivery="poll")
    refused = client.submit("acedata-flux", "a cow [refuse=403]", delivery="poll")
    eventually(lambda: client.get(late.id).state is State.SUCCEEDED)
    assert path(client.get(late.id))[-3:] == ["failed", "downloading", "succeeded"]
    worker.wait_for("webhook_failed")
    with hooks.open(SECRET, "slow:1", "500", "503", "slow:1", "500") as node:
        eventually(lambda: sum(map(len, read_acknowledged(node).values())) >= 4, 60)
        assert read_acknowledged(node) == {
            late.id: ["job.failed", "job.succeeded"],
            quick.id: ["job.succeeded"],
            refused.id: ["job.failed"],
        }
        # An event that was refused never ran ahead of an unacknowledged one either.
        firsts = dict.fromkeys((h["job"], h["type"]) for h in read_requests(node))
        assert [kind for job, kind in firsts if job == late.id] == ["job.failed", "job.succeeded"]
    for secret in (TOKEN, SECRET.removeprefix("whsec_")):
        assert secret not in worker.output + receiver.output
