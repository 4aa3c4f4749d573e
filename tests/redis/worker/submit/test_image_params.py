"""The URL of an image in a parameter, such as a mask, is looked at as those in `image_urls` are."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from imagequeue.jobs.job import Job, Reason, State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.jobs import KIE_ACCEPTED
from support.stub import Stub
from support.worker.downloads import make_image

PNG = make_image("PNG")


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "check_input_images": "true",
        "kie_base_url": stub.url,
        "download_trusted_hosts": urlsplit(stub.url).netloc,
    }


def send(ctx: Context, stub: Stub, *, missing: str = "") -> Job:
    """Submit an edit with a mask and two references, one of which may lead to nothing."""

    def answer(method: str, path: str, *_: Any) -> Any:
        if method == "POST":
            return KIE_ACCEPTED
        return (404, b"") if path == f"/{missing}" else (200, PNG)

    stub.answer = answer
    references = [f"{stub.url}/{name}" for name in ("one.png", "two.png")]
    params = {"mask_url": f"{stub.url}/mask.png", "reference_image_urls": references}
    job = LocalClient(ctx.settings, now=ctx.now).submit(
        "kie",
        "a hat",
        action="edit",
        image_urls=[f"{stub.url}/a.png"],
        params={"model": "ideogram/character-edit", **params},
    )
    submit(ctx, job.id)
    return ctx.store.get(job.id)


def test_every_image_of_a_request_is_looked_at(ctx: Context, stub: Stub) -> None:
    assert send(ctx, stub).state is State.WAITING
    looked = {path for method, path, _ in stub.asked if method == "GET"}
    assert looked == {"/a.png", "/mask.png", "/one.png", "/two.png"}


@pytest.mark.parametrize(
    ("missing", "field"),
    [("mask.png", "params.mask_url"), ("two.png", "params.reference_image_urls")],
)
def test_dead_url_in_a_parameter_fails_the_job_unpaid(
    ctx: Context, stub: Stub, missing: str, field: str
) -> None:
    job = send(ctx, stub, missing=missing)
    assert (job.state, stub.posts) == (State.FAILED, [])
    assert job.error is not None
    assert job.error.reason is Reason.BAD_INPUT
    assert job.error.message.startswith(f"{field} leads to nothing")
