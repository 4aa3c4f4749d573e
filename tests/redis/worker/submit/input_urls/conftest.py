from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from imagequeue.jobs.job import Job
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "check_input_images": "true",
        "kie_base_url": stub.url,
        "download_trusted_hosts": urlsplit(stub.url).netloc,
    }


@pytest.fixture
def send(ctx: Context, stub: Stub) -> Callable[..., Job]:
    """Submits an edit of images of the stub, and returns the job after its turn."""

    def send(*paths: str, **fields: Any) -> Job:
        given = {"params": {"model": "qwen/image-edit"}, "prompt": "a hat", **fields}
        urls = [f"{stub.url}/{path}" for path in paths or ("a.png",)]
        job = LocalClient(ctx.settings, now=ctx.now).submit(
            "kie", action="edit", image_urls=urls, **given
        )
        submit(ctx, job.id)
        return ctx.store.get(job.id)

    return send
