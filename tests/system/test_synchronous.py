"""Images that come inside of the response, once through the whole system against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from support.media import validate_file
from support.processes import WORKER, sandbox


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    with sandbox(tmp_path, "--latency", "0.3") as url:
        yield url


@pytest.fixture
def overrides(overrides: dict[str, str], provider: str) -> dict[str, str]:
    return {
        **overrides,
        "openai_api_key": "an openai key",
        "openai_base_url": f"{provider}/v1",
        "download_trusted_hosts": provider.removeprefix("http://"),
        "sweep_every_s": "0.1",
        "unconfirmed_after_s": "1",
    }


def test_images_inside_of_responses_are_saved_and_edited(
    start: Start, settings: Settings, provider: str
) -> None:
    worker = start(*WORKER)
    client = LocalClient(settings)
    made = {"provider": "openai-images", "params": {"model": "gpt-image-1", "n": 2}}
    linked = {"model": "dall-e-3", "response_format": "url", "output_format": "jpeg"}
    jobs = client.submit_many(
        [
            {**made, "prompt": "a cat"},
            {**made, "prompt": "a dog", "params": linked},
            {**made, "prompt": "a cut cat [file=truncated]"},
            {**made, "prompt": "a lost cat [answer=lost]"},
            {**made, "prompt": "a refused cat [refuse=400]"},
        ]
    )
    cat, dog, cut, lost, refused = [client.wait(job.id, 60) for job in jobs]

    assert (cat.state, dog.state) == (State.SUCCEEDED, State.SUCCEEDED), worker.output
    for job, count, kind in ((cat, 2, "image/png"), (dog, 1, "image/jpeg")):
        files = [Path((image.uri or "").removeprefix("file://")) for image in job.images]
        assert [validate_file(file).content_type for file in files] == [kind] * count
        assert job.history[-2].cause == "answer"
    assert cat.images[0].source_url.startswith("inline:")
    assert (cut.state, lost.state, refused.state) == (State.UNSAVED, State.FAILED, State.FAILED)
    assert lost.error
    assert lost.error.reason == "unconfirmed"

    edit = client.submit(
        provider="openai-images",
        action="edit",
        prompt="a hat",
        image_urls=[dog.images[0].source_url] * 2,
        params={"model": "gpt-image-1"},
    )
    assert client.wait(edit.id, 60).state is State.SUCCEEDED, worker.output

    books = requests.get(f"{provider}/sandbox/submissions", timeout=10).json()
    assert {each["prompt"]: each["charged"] for each in books} == {
        "a cat": 0.08,
        "a dog": 0.04,
        "a cut cat [file=truncated]": 0.08,
        "a lost cat [answer=lost]": 0.08,
        "a hat": 0.04,
    }
