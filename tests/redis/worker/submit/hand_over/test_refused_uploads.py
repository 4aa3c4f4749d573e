"""Uploads that a request cannot start from: it is refused, or its job is cancelled unpaid."""

from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.job import State
from imagequeue.jobs.upload import Upload
from imagequeue.producer.client import LocalClient
from imagequeue.store.images import keys as image_keys
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub
from support.worker.hand_overs import (
    ACEDATA,
    UNKNOWN,
    edit,
)


def test_upload_is_refused_for_a_provider_that_cannot_get_it(
    client: LocalClient, upload: Upload
) -> None:
    with pytest.raises(InvalidRequestError, match="IMAGEQUEUE_PUBLIC_URL is not set"):
        edit(client, upload.id, **ACEDATA)
    with pytest.raises(InvalidRequestError, match="acedata-flux takes only URLs"):
        edit(client, upload.id, fallback=[ACEDATA])


def test_upload_that_is_too_large_for_the_provider_is_refused(
    ctx: Context, client: LocalClient, upload: Upload
) -> None:
    large = upload.model_copy(update={"bytes": 11_000_000})
    ctx.uploads.add(large, 60)
    with pytest.raises(
        InvalidRequestError, match=r"image_urls.0: has 11000000 bytes, and .* takes up to 10485760"
    ):
        edit(client, upload.id)


def test_upload_beyond_a_bound_of_the_model_is_refused(client: LocalClient, upload: Upload) -> None:
    background = {"provider": "kie", "prompt": "", "params": {"model": "recraft/remove-background"}}
    with pytest.raises(InvalidRequestError) as caught:
        edit(client, upload.id, **background)
    (problem,) = caught.value.problems
    assert problem.field == "image_urls.0"
    assert problem.message.startswith("has 8 x 6 pixels, and the model takes sides of at least 256")


def test_upload_that_is_unknown_expired_or_of_another_caller_is_refused(
    ctx: Context, client: LocalClient, upload: Upload, clock: Clock
) -> None:
    def refuse(upload_id: str, **options: Any) -> None:
        request = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "a hat"}
        with pytest.raises(
            InvalidRequestError, match="no upload of yours, or has expired"
        ) as found:
            client.submit_request({**request, "image_urls": [upload_id]}, **options)
        assert [problem.field for problem in found.value.problems] == ["image_urls"]

    refuse(UNKNOWN)
    refuse(upload.id, submitted_by="shop", sees="shop")
    other = upload.id[:-1] + ("1" if upload.id[-1] == "0" else "0")
    ctx.store.redis.set(image_keys.upload(other), "damaged")
    refuse(other)
    edit(client, upload.id, after=[queued(ctx)])
    with pytest.raises(InvalidRequestError, match="no upload of yours"):
        edit(client, UNKNOWN, after=[queued(ctx)])
    clock.advance(ctx.settings.retention_s)
    refuse(upload.id)


def test_job_whose_upload_has_ended_is_cancelled_unpaid(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload
) -> None:
    job_id = edit(client, upload.id)
    ctx.store.redis.delete(image_keys.upload(upload.id))
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.charged, stub.asked) == (State.CANCELLED, "no", [])
    assert "has expired" in (job.error.message if job.error else "")
