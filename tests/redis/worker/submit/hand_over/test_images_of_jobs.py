"""Stored images of other jobs, handed over where their URL at the provider does not serve."""

from datetime import timedelta
from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.jobs import kie_refused
from support.stub import Stub
from support.worker.account_keys import change
from support.worker.hand_overs import (
    ACEDATA,
    AT_PROVIDER,
    PNG,
    UPLOAD_PATH,
    answer,
    edit,
    paid_bodies,
    succeed,
)


def test_stored_image_is_handed_over_once_its_url_has_expired(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    stub.answer = answer()
    first = succeed(ctx, timedelta(0))
    submit(ctx, edit(client, first))
    assert stub.asked[0][1] == UPLOAD_PATH
    assert PNG in stub.asked[0][2]
    assert paid_bodies(stub)[0]["inputImage"] == AT_PROVIDER
    with pytest.raises(InvalidRequestError, match="IMAGEQUEUE_PUBLIC_URL is not set"):
        edit(client, first, **ACEDATA)


def test_image_that_the_provider_could_not_fetch_is_handed_over_once(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    stub.answer = answer(paid=kie_refused(451, "could not fetch"))
    job_id = edit(client, succeed(ctx))
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED
    submit(ctx, job_id)
    assert [body["inputImage"] for body in paid_bodies(stub)] == [
        "https://a.example/0.png",
        AT_PROVIDER,
    ]
    job = ctx.store.get(job_id)
    assert (job.state, job.error and job.error.code, job.charged) == (State.FAILED, "451", "no")


def test_hand_over_after_a_refusal_is_no_further_attempt(
    ctx: Context, client: LocalClient, stub: Stub, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, submit_attempts="1")
    stub.answer = answer(paid=kie_refused(451, "could not fetch"))
    job_id = edit(client, succeed(ctx))
    submit(ctx, job_id)
    stub.answer = answer()
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING
    assert paid_bodies(stub)[-1]["inputImage"] == AT_PROVIDER


@pytest.mark.parametrize("paid", [None, (200, {"code": 451, "msg": "no", "data": {"taskId": "t"}})])
def test_unknown_outcome_is_never_followed_by_a_hand_over(
    ctx: Context, client: LocalClient, stub: Stub, paid: Any
) -> None:
    stub.answer = answer(paid=paid)
    job_id = edit(client, succeed(ctx))
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED
    assert len(paid_bodies(stub)) == 1


def test_foreign_url_that_could_not_be_fetched_fails_the_job(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    stub.answer = answer(paid=kie_refused(451))
    job_id = edit(client, "https://a.example/0.png")
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
