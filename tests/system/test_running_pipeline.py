"""Jobs of every kind through one running worker and one receiver, against the sandbox."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
import requests
from conftest import SETTINGS

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import PREFIX, Settings, read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
from support.jobs import path
from support.media import validate_file
from support.processes import WORKER, Process, answers, eventually, running

CAT = ("https://example.com/cat.png",)


class Pipeline(NamedTuple):
    settings: Settings
    worker: Process
    receiver: Process


@pytest.fixture(scope="module")
def pipeline(
    redis_server: str, sandbox_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("pipeline")
    port = str(free_port())
    settings = {
        **SETTINGS,
        "redis_url": redis_server,
        "data_dir": str(folder / "data"),
        "kie_base_url": sandbox_url,
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "public_url": f"http://127.0.0.1:{port}",
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
        "log_format": "json",
    }
    env = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    receiving = [sys.executable, "-m", "imagequeue.worker.receiver", "--port", port]
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    with (
        running(list(WORKER), env, folder) as worker,
        running(receiving, env, folder) as receiver,
    ):
        eventually(lambda: answers(f"{settings['public_url']}/healthz"))
        yield Pipeline(read_settings(**settings), worker, receiver)


@pytest.fixture
def client(pipeline: Pipeline) -> LocalClient:
    return LocalClient(pipeline.settings)


def submissions(sandbox_url: str) -> Any:
    """Return what the sandbox was paid for."""
    return requests.get(f"{sandbox_url}/sandbox/submissions", timeout=5).json()


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
    client: LocalClient, pipeline: Pipeline, sandbox_url: str
) -> None:
    jobs = [client.wait(job.id, 60) for job in client.submit_many(REQUESTS)]
    assert [job.state for job in jobs] == [State.SUCCEEDED] * len(jobs), pipeline.worker.output
    assert [job.history[-2].cause for job in jobs if job.delivery == "poll"] == ["poll"] * 2
    for job in jobs:
        assert path(job) == ["queued", "submitting", "waiting", "downloading", "succeeded"]
        for image in job.images:
            assert image.uri
            assert validate_file(Path(image.uri.removeprefix("file://"))).content_type
    prompts = sorted(request["prompt"] for request in REQUESTS)
    paid = sorted(each["prompt"] for each in submissions(sandbox_url))
    assert [prompt for prompt in paid if prompt in prompts] == prompts


def test_midjourney_follow_up_starts_from_a_task(client: LocalClient) -> None:
    first = client.wait(client.submit("kie-midjourney", "a city").id, 60)
    params = {"task_id": first.task_id, "image_index": 1}
    upscaled = client.submit("kie-midjourney", action="upscale", params=params)
    assert client.wait(upscaled.id, 60).state is State.SUCCEEDED


def test_celery_client_creates_a_job_and_duplicates_make_one(
    client: LocalClient, pipeline: Pipeline
) -> None:
    request = {"provider": "acedata-flux", "prompt": "by name", "delivery": "poll"}
    with make_celery(pipeline.settings) as celery:
        for _ in range(2):
            celery.send_task("imagequeue.create", kwargs=request, task_id="twice", queue="submit")
        bad = celery.send_task("imagequeue.create", kwargs={"provider": "x"}, queue="submit")

    def made() -> list[str]:
        return [job.id for job in client.list().jobs if job.prompt == "by name"]

    (job_id,) = eventually(made)
    assert client.wait(job_id, 60).state is State.SUCCEEDED
    pipeline.worker.wait_for("job_refused")
    assert bad.id in pipeline.worker.output
    assert made() == [job_id]


def test_logs_have_job_provider_and_stage_and_no_secret(
    client: LocalClient, pipeline: Pipeline, sandbox_url: str
) -> None:
    job = client.wait(client.submit("kie-flux-kontext", "a secret wish").id, 60)
    output = pipeline.worker.output
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    submitted = next(
        line for line in lines if (line["event"], line.get("job_id")) == ("job_submitted", job.id)
    )
    assert (submitted["provider"], submitted["stage"]) == ("kie-flux-kontext", "submit")
    (wish,) = (each for each in submissions(sandbox_url) if each["prompt"] == "a secret wish")
    token = wish["callback_url"].rpartition("/")[2]
    for secret in ("a kie key", "a secret of the tests", "a secret wish", token):
        assert secret not in output + pipeline.receiver.output
