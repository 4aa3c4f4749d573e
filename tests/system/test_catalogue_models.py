"""Every model of each catalogue, once through the whole system against the sandbox."""

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
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
from imagequeue.providers import PROVIDERS
from imagequeue.providers.catalogue import Model, load_models
from support.catalogues import make_request
from support.media import validate_file
from support.processes import WORKER, answers, eventually, sandbox

HMAC_KEY = "a key of the tests"
UNCHECKED: dict[str, list[dict[str, Any]]] = {
    "kie": [
        {"params": {"model": "veo-3-1", "unchecked": True, "duration": 8}, "prompt": "a video"},
        {"params": {"model": "a-newer-model", "unchecked": True, "x": [1]}, "prompt": "an image"},
    ],
    "acedata": [
        {
            "params": {"service": "seedream", "model": "doubao-seedream-4-0-250828"}
            | {"unchecked": True, "size": "1K"},
            "prompt": "a model that is known as well",
        },
        {
            "params": {"model": "midjourney", "split_images": True},
            "prompt": "a grid and its images",
        },
    ],
}


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
        "acedata_base_url": provider,
        "acedata_rate_limit": "off",
        "acedata_max_in_flight": "off",
        "acedata_lookups_per_s": "off",
        "download_trusted_hosts": provider.removeprefix("http://"),
        "public_url": f"http://127.0.0.1:{free_port()}",
        # A job with a callback skips the first one: its callback has to come before the second.
        "poll_countdowns": "0.5,600",
        "sweep_every_s": "0.1",
    }


def list_requests(name: str) -> list[dict[str, Any]]:
    """Return a request for each model and action, in turn polled and called back."""
    requests = [
        make_request(model, action, largest=True, provider=name)
        for model in load_models(f"imagequeue.providers.{name}").values()
        for action in model.actions
    ]
    for request in requests:
        model = request["params"]["model"]
        if "prompt" in request:
            request["prompt"] = f"{request['action']} with {model}"
        if model.endswith("segment-map"):
            request["image_urls"] = ["https://a.example/0.png"]
        # Many images of one request say no more than a few.
        for field in {"count", "n"} & request["params"].keys():
            request["params"][field] = min(request["params"][field], 3)
    requests += [{"provider": name, **each} for each in UNCHECKED[name]]
    for request, delivery in zip(requests, cycle(("poll", "callback")), strict=False):
        request["delivery"] = delivery
    return requests


def find_model(job: Job) -> Model | None:
    return load_models(f"imagequeue.providers.{job.provider}").get(job.params["model"])


def count_images(job: Job) -> int:
    """Return how many images the job asks for."""
    model = find_model(job)
    if job.params.get("split_images"):
        return 5
    return int(job.params.get(model.count, 1)) if model and model.count else 1


def get_estimate(job: Job) -> float | None:
    """Return what the catalogue says that the job costs, for all of its images."""
    selected = PROVIDERS[job.provider].select(job.params)
    request = selected.validate_request(job.action, job.prompt, job.image_urls, job.params)
    price = selected.estimate(job.action, request)
    return price if price is None else float(price)


@pytest.mark.parametrize(("name", "min_priced"), [("kie", 56), ("acedata", 2)])
def test_every_model_is_saved_and_charged_as_listed(
    start: Start, settings: Settings, provider: str, name: str, min_priced: int
) -> None:
    assert settings.public_url
    port = settings.public_url.rpartition(":")[2]
    receiver = start(sys.executable, "-m", "imagequeue.worker.receiver", "--port", port)
    worker = start(*WORKER)
    eventually(lambda: answers(f"{settings.public_url}/healthz"))
    client = LocalClient(settings)
    requested = list_requests(name)
    models = load_models(f"imagequeue.providers.{name}")
    assert {each["params"]["model"] for each in requested} >= set(models)

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
        if (price := get_estimate(job)) is not None:
            assert charged[job.task_id] == pytest.approx(price)
        assert (job.cost.credits, job.cost.estimated) == (charged[job.task_id], False)
    assert sum(get_estimate(job) is not None for job in jobs) >= min_priced
