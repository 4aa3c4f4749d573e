"""Every model of kie's catalogue, once through the whole system against the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Job, State
from imagequeue.producer.client import Client
from imagequeue.producer.local.ports import free_port
from imagequeue.providers.kie.jobs import KieJobs
from support.kie_models import make_request
from support.media import validate_file
from support.processes import WORKER, answers, eventually, sandbox

MODELS = KieJobs().models
HMAC_KEY = "a key of the tests"
UNCHECKED: list[dict[str, Any]] = [
    {"params": {"model": "veo-3-1", "unchecked": True, "duration": 8}, "prompt": "a video"},
    {"params": {"model": "a-newer-model", "unchecked": True, "x": [1]}, "prompt": "an image"},
]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    quick = ("--latency", "0.3", "--kie-limit", "0", "--kie-webhook-hmac-key", HMAC_KEY)
    with sandbox(tmp_path, *quick) as url:
        yield url


@pytest.fixture
def overrides(overrides: dict[str, str], provider: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": provider,
        "kie_webhook_hmac_key": HMAC_KEY,
        "kie_rate_limit": "off",
        "kie_lookups_per_s": "off",
        "download_trusted_hosts": provider.removeprefix("http://"),
        "public_url": f"http://127.0.0.1:{free_port()}",
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
    }


def list_requests() -> list[dict[str, Any]]:
    """Return a request for each model and action, in turn polled and called back."""
    requests = [
        make_request(model, action, largest=True)
        for model in MODELS.values()
        for action in model.actions
    ]
    for request, delivery in zip(requests, cycle(("poll", "callback")), strict=False):
        name = request["params"]["model"]
        if "prompt" in request:
            request["prompt"] = f"{request['action']} with {name}"
        if name.endswith("segment-map"):
            request["image_urls"] = ["https://a.example/0.png"]
        request["delivery"] = delivery
    return requests + [{"provider": "kie", **each} for each in UNCHECKED]


def estimate(job: Job) -> float | None:
    """Return what the catalogue says that the job costs, for all of its images."""
    model = MODELS.get(job.params["model"])
    price = model.estimate(job.params, len(job.image_urls)) if model else None
    return price if price is None else float(price)


def count_images(job: Job) -> int:
    """Return how many images the job asks for."""
    model = MODELS.get(job.params["model"])
    return int(job.params.get(model.count, 1)) if model and model.count else 1


def test_every_model_is_saved_and_charged_as_listed(
    start: Start, settings: Settings, provider: str
) -> None:
    assert settings.public_url
    port = settings.public_url.rpartition(":")[2]
    receiver = start(sys.executable, "-m", "imagequeue.worker.receiver", "--port", port)
    worker = start(*WORKER)
    eventually(lambda: answers(f"{settings.public_url}/healthz"))
    client = Client(settings)
    requested = list_requests()
    assert {each["params"]["model"] for each in requested} > set(MODELS)

    jobs = [client.wait(job.id, 110) for job in client.submit_many(requested)]

    failed = [(job.params["model"], job.error) for job in jobs if job.state is not State.SUCCEEDED]
    assert failed == [], worker.output + receiver.output
    accepted = requests.get(f"{provider}/sandbox/submissions", timeout=10).json()
    charged = {each["task_id"]: each["charged"] for each in accepted}
    assert len(charged) == len(jobs)
    for job in jobs:
        assert job.history[-2].cause == ("callback" if job.delivery == "callback" else "poll")
        files = [Path(image.uri.removeprefix("file://")) for image in job.images if image.uri]
        assert len(files) == count_images(job)
        kinds = {validate_file(file).content_type.partition("/")[2] for file in files}
        assert len(kinds) == 1
        if wanted := job.params.get("output_format"):
            assert kinds == {"jpeg" if wanted == "jpg" else wanted}
        if (price := estimate(job)) is not None:
            assert charged[job.task_id] == pytest.approx(price)
        assert (job.cost.credits, job.cost.estimated) == (charged[job.task_id], False)
    known = [job for job in jobs if estimate(job) is not None]
    assert len(known) > 55
