"""Jobs that start from the images of others, or only wait for them."""

import json
from datetime import timedelta
from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError, NewerRecordError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.store import keys
from imagequeue.store.codec import VERSION, dump
from imagequeue.store.submit.positions import open_positions
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, move, queued, waiting
from support.stub import Stub
from support.worker.needed_jobs import MIDJOURNEY, URL, succeed

UNKNOWN = "job_01KA0000000000000000000000"


def edit(client: LocalClient, *image_urls: str, **fields: Any) -> str:
    given = {"action": "edit", "image_urls": image_urls, **fields}
    return client.submit("kie-flux-kontext", "a hat", **given).id


def send_next(ctx: Context) -> list[str]:
    leased = ctx.submits.lease(ctx.now(), 9).job_ids
    for job_id in leased:
        submit(ctx, job_id)
    return leased


def test_edit_starts_from_the_image_of_a_job_once_it_has_succeeded(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    stub.answer = lambda *_: KIE_ACCEPTED
    first = waiting(ctx, stub)
    job_id = edit(client, f"{first}/1")
    assert send_next(ctx) == []
    job = ctx.store.get(job_id)
    position = open_positions(ctx.store.redis, ctx.settings).measure([job], ctx.now())[job_id]
    assert (position.waits_for, position.reason) == ("job", first)
    succeed(ctx, first)
    assert send_next(ctx) == [job_id]
    assert stub.posts[-1]["inputImage"] == URL.format(1)
    job = ctx.store.get(job_id)
    assert (job.state, job.after, job.image_urls) == (State.WAITING, (first,), (f"{first}/1",))
    assert not ctx.store.redis.keys("iq:needed_by:*")


def test_first_image_of_a_job_that_has_succeeded_is_used_at_once(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    stub.answer = lambda *_: KIE_ACCEPTED
    first = queued(ctx)
    succeed(ctx, first)
    submit(ctx, edit(client, first))
    assert stub.posts[-1]["inputImage"] == URL.format(0)


@pytest.mark.parametrize("end", [State.FAILED, State.CANCELLED])
def test_job_is_cancelled_if_one_that_it_needs_does_not_succeed(
    ctx: Context, client: LocalClient, stub: Stub, end: State
) -> None:
    first = queued(ctx)
    job_id = client.submit("kie-flux-kontext", "a cat", after=[first]).id
    assert job_id not in ctx.submits.lease(ctx.now(), 9).job_ids
    move(ctx, first, end)
    assert send_next(ctx) == [job_id]
    job = ctx.store.get(job_id)
    assert job.error
    assert (job.state, job.error.reason, job.charged) == (State.CANCELLED, "cancelled", "no")
    assert first in job.error.message
    assert stub.posts == []
    assert not ctx.store.redis.exists(keys.PERMITS)


def test_job_that_needs_a_deleted_one_is_cancelled(
    ctx: Context, client: LocalClient, stub: Stub, clock: Clock
) -> None:
    first = queued(ctx)
    job_id = edit(client, first)
    ctx.submits.lease(clock(), 9)
    ctx.store.redis.delete(keys.record(first))
    assert ctx.store.deletion.delete_remains(first)
    clock.advance(300)
    assert send_next(ctx) == [job_id]
    assert ctx.store.get(job_id).state is State.CANCELLED
    assert not ctx.store.redis.keys("iq:needed_by:*")


def test_job_that_is_cancelled_while_it_waits_stays_so(ctx: Context, client: LocalClient) -> None:
    first = queued(ctx)
    job_id = edit(client, first)
    assert job_id not in ctx.submits.lease(ctx.now(), 9).job_ids
    client.cancel(job_id)
    succeed(ctx, first)
    assert ctx.submits.lease(ctx.now(), 9).job_ids == []


def test_stray_message_does_not_send_a_job_before_those_it_needs(ctx: Context) -> None:
    job_id = queued(ctx, after=[queued(ctx)])
    assert ctx.submits.get_permit(job_id, ctx.now()) is None


def test_job_is_not_sent_before_its_time_though_those_it_needs_have_finished(
    ctx: Context, client: LocalClient, clock: Clock
) -> None:
    first = queued(ctx)
    job_id = edit(client, first, not_before=clock() + timedelta(hours=1))
    assert job_id not in ctx.submits.lease(clock(), 9).job_ids
    succeed(ctx, first)
    assert ctx.submits.lease(clock(), 9).job_ids == []
    clock.advance(3600)
    assert ctx.submits.lease(clock(), 9).job_ids == [job_id]


def test_job_waits_for_one_whose_record_is_of_a_later_version(
    ctx: Context, client: LocalClient, stub: Stub
) -> None:
    first = queued(ctx)
    job_id = edit(client, first)
    record = dump(succeed(ctx, first))
    later = record.replace(f'"v":{VERSION}'.encode(), b'"v":99')
    assert later != record
    ctx.store.redis.set(keys.record(first), later)
    with pytest.raises(NewerRecordError, match=first):
        submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED
    stub.answer = lambda *_: KIE_ACCEPTED
    ctx.store.redis.set(keys.record(first), record)
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"after": [UNKNOWN]}, "after", "check the id"),
        ({"after": ["places"]}, "after", "check the id"),
        ({"action": "edit", "image_urls": [UNKNOWN]}, "image_urls", "check the id"),
        ({"action": "edit", "image_urls": ["{first}/2"]}, "image_urls", "no such image"),
        ({"provider": MIDJOURNEY, "params": {"job": "{first}"}}, "params.job", "nobody else"),
        ({"params": {"job": "{first}"}}, "params.job", "goes on with no earlier task"),
        ({"after": ["{failed}"]}, "after", "is failed"),
        (
            {"fallback": [{"provider": "kie-midjourney", "params": {"job": "{first}"}}]},
            "fallback.0.params.job",
            "takes no task",
        ),
    ],
)
def test_request_that_can_never_be_sent_is_refused(
    ctx: Context, client: LocalClient, fields: dict[str, Any], field: str, words: str
) -> None:
    first, failed = queued(ctx), queued(ctx)
    succeed(ctx, first, task_id="t")
    move(ctx, failed, State.FAILED)
    named = json.dumps(fields).replace("{first}", first).replace("{failed}", failed)
    given = {"provider": "kie-flux-kontext", "prompt": "a cat", **json.loads(named)}
    with pytest.raises(InvalidRequestError) as refused:
        client.submit_request(given)
    assert any(p.field == field and words in p.message for p in refused.value.problems), refused


def test_expired_image_is_refused(ctx: Context, client: LocalClient, clock: Clock) -> None:
    first = queued(ctx)
    succeed(ctx, first)
    clock.advance(21 * 3600)
    with pytest.raises(InvalidRequestError, match="submit its file instead"):
        edit(client, first)


def test_jobs_of_another_caller_cannot_be_needed(ctx: Context, client: LocalClient) -> None:
    first = queued(ctx)
    request = {"provider": "kie-flux-kontext", "prompt": "a cat", "after": [first]}
    assert client.submit_request(request).job.after == (first,)
    with pytest.raises(InvalidRequestError, match="check the id"):
        client.submit_request(request, submitted_by="shop", sees="shop")
