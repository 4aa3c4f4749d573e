"""A request that allows it gets a job that made the same images before, and pays nothing."""

from typing import Any

import pytest

from imagequeue.errors import IdempotencyConflictError, InvalidRequestError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from imagequeue.worker.create import create
from support.clock import Clock
from support.jobs import move

CAT: dict[str, Any] = {"provider": "kie-flux-kontext", "prompt": "a cat"}


@pytest.fixture
def client(ctx: Context, clock: Clock) -> LocalClient:
    return LocalClient(ctx.settings, now=clock)


@pytest.fixture
def made(ctx: Context, client: LocalClient) -> str:
    return make(ctx, client)


def make(ctx: Context, client: LocalClient) -> str:
    job_id = client.submit(**CAT).id
    move(ctx, job_id, State.SUBMITTING, State.DOWNLOADING)
    move_to_success(ctx, job_id)
    return job_id


def move_to_success(ctx: Context, job_id: str) -> None:
    delete_at = ctx.now().replace(year=2099)
    ctx.store.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(State.SUCCEEDED, "test", ctx.now(), delete_at),
    )


def test_same_request_gets_the_job_that_succeeded(client: LocalClient, made: str) -> None:
    assert client.submit(**CAT, metadata={"order": 2}, reuse="24h").id == made


def test_earlier_job_is_not_reused_without_asking(client: LocalClient, made: str) -> None:
    assert client.submit(**CAT).id != made


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a dog"}, {"params": {"model": "flux-kontext-max"}}],
    ids=["prompt", "parameters"],
)
def test_other_request_makes_a_new_job(client: LocalClient, made: str, change: Any) -> None:
    assert client.submit(**{**CAT, **change}, reuse="24h").id != made


def test_job_of_another_caller_is_not_reused(ctx: Context, clock: Clock, made: str) -> None:
    other = LocalClient(ctx.settings, now=clock, name="other")
    assert other.submit(**CAT, reuse="24h").id != made


def test_job_is_reused_for_the_given_time(client: LocalClient, made: str, clock: Clock) -> None:
    clock.advance(3601)
    assert client.submit(**CAT, reuse="2h").id == made
    assert client.submit(**CAT, reuse="1h").id != made


def test_unfinished_job_is_not_reused(client: LocalClient) -> None:
    first = client.submit(**CAT)
    assert client.submit(**CAT, reuse="24h").id != first.id


def test_batch_reuses_single_jobs(client: LocalClient, made: str) -> None:
    items = [{**CAT, "reuse": "24h"}, {**CAT, "prompt": "a dog", "reuse": "24h"}]
    submitted = client.submit_batch(items)
    assert submitted.jobs[0] == made
    assert submitted.batch.total == 1


def test_duration_without_a_unit_is_refused(client: LocalClient) -> None:
    with pytest.raises(InvalidRequestError, match="must be a duration such as"):
        client.submit(**CAT, reuse="24")


def test_key_returns_a_reused_job_after_its_time(
    client: LocalClient, made: str, clock: Clock
) -> None:
    first = client.submit(**CAT, reuse="1h", idempotency_key="k")
    clock.advance(3601)
    again = client.submit(**CAT, reuse="1h", idempotency_key="k")
    assert (first.id, again.id) == (made, made)


def test_known_key_goes_before_reuse(ctx: Context, client: LocalClient) -> None:
    first = client.submit(**CAT, reuse="1h", idempotency_key="k")
    assert make(ctx, client) != first.id
    assert client.submit(**CAT, reuse="1h", idempotency_key="k").id == first.id


def test_known_key_refuses_reuse_for_another_request(client: LocalClient, made: str) -> None:
    client.submit("kie-flux-kontext", "a dog", idempotency_key="k")
    with pytest.raises(IdempotencyConflictError):
        client.submit(**CAT, reuse="1h", idempotency_key="k")


def test_key_of_a_reused_job_refuses_another_request(client: LocalClient, made: str) -> None:
    client.submit(**CAT, reuse="1h", idempotency_key="k")
    with pytest.raises(IdempotencyConflictError):
        client.submit("kie-flux-kontext", "a dog", idempotency_key="k")


def test_batch_of_reused_jobs_is_a_batch_of_its_own(ctx: Context, client: LocalClient) -> None:
    earlier = client.submit_batch([CAT])
    move(ctx, str(earlier.jobs[0]), State.SUBMITTING, State.DOWNLOADING)
    move_to_success(ctx, str(earlier.jobs[0]))
    reused = client.submit_batch([{**CAT, "reuse": "1h"}], idempotency_key="k")
    again = client.submit_batch([{**CAT, "reuse": "1h"}], idempotency_key="k")
    assert (earlier.jobs, earlier.replayed, reused.replayed) == (reused.jobs, False, False)
    assert earlier.batch.id != reused.batch.id
    assert (again.jobs, again.replayed, again.batch.id) == (reused.jobs, True, reused.batch.id)


def test_message_that_asks_for_reuse_is_refused(ctx: Context, made: str) -> None:
    with pytest.raises(InvalidRequestError, match="reuse: cannot be used in a message"):
        create(ctx, {**CAT, "reuse": "1h"}, "message")


def test_conflict_names_the_item_that_would_be_reused(client: LocalClient, made: str) -> None:
    client.submit("kie-flux-kontext", "a dog", idempotency_key="k")
    items = [{**CAT, "prompt": "a bird"}, {**CAT, "reuse": "1h", "idempotency_key": "k"}]
    with pytest.raises(IdempotencyConflictError) as caught:
        client.submit_batch(items)
    assert caught.value.places == (1,)
