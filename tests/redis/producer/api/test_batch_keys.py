"""Idempotency keys of a batch and of its items: nothing is queued twice."""

from typing import Any

import pytest

from imagequeue import LocalClient
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from support.batches import GOOD, numbered, post
from support.processes import eventually


@pytest.fixture
def api(site: str) -> str:
    return f"{site}/v1/batches"


@pytest.fixture
def client(settings: Settings) -> LocalClient:
    return LocalClient(settings)


def test_repeated_batch_returns_the_original(api: str, ctx: Context) -> None:
    items = [*numbered(2), {**GOOD, "idempotency_key": "own"}]
    first, again = post(api, items, "k"), post(api, items, "k")
    assert again.status_code == 202
    assert (first.json()["id"], first.json()["jobs"]) == (again.json()["id"], again.json()["jobs"])
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in (first, again)]
    assert replayed == [None, "true"]
    assert ctx.store.count_by_state()[State.QUEUED] == 3
    eventually(lambda: ctx.store.redis.llen("submit") == 3)
    assert len(ctx.store.redis.keys("iq:batch:*")) == 2


@pytest.mark.parametrize("change", ["one more", "one fewer", "other order"])
def test_key_of_another_batch_is_refused(api: str, ctx: Context, change: str) -> None:
    items = numbered(3)
    post(api, items, "k")
    others = {"one more": numbered(4), "one fewer": numbered(2), "other order": items[::-1]}
    answer = post(api, others[change], "k")
    assert (answer.status_code, "give a new one" in answer.json()["detail"]) == (409, True)
    assert ctx.store.count_by_state()[State.QUEUED] == 3


def test_replayed_items_stay_in_their_batch(client: LocalClient, ctx: Context) -> None:
    def keyed(*names: str) -> list[dict[str, Any]]:
        return [{**GOOD, "idempotency_key": name} for name in names]

    first = client.submit_batch(keyed("a", "b"))
    second = client.submit_batch(keyed("b", "c"))
    assert (second.jobs[0], second.batch.total, second.replayed) == (first.jobs[1], 1, False)
    third = client.submit_batch(keyed("c"))
    assert (third.batch.id, third.replayed) == (second.batch.id, True)
    alone = client.submit(**GOOD, idempotency_key="d")
    fourth = client.submit_batch(keyed("d"))
    assert (fourth.jobs, client.batch(fourth.batch.id).total) == ([alone.id], 0)
    assert ctx.store.count_by_state()[State.QUEUED] == 4


def test_item_key_used_twice_is_refused(api: str, ctx: Context) -> None:
    twice = post(api, [{**GOOD, "idempotency_key": "k"}] * 2)
    (problem,) = twice.json()["problems"]
    assert (problem["field"], "item 0" in problem["message"]) == ("items.1.idempotency_key", True)
    post(api, [{**GOOD, "idempotency_key": "k"}])
    other = post(api, [GOOD, {**GOOD, "prompt": "a dog", "idempotency_key": "k"}])
    assert (other.status_code, "to items 1" in other.json()["detail"]) == (409, True)
    assert ctx.store.count_by_state()[State.QUEUED] == 1


@pytest.mark.parametrize("key", [7, "", "x" * 256])
def test_item_with_an_invalid_key_is_skipped(api: str, key: object) -> None:
    batch = post(api, [GOOD, {**GOOD, "idempotency_key": key}], on_error="skip").json()
    ((refused,), total) = batch["refused"], batch["total"]
    assert (refused["problems"][0]["field"], total) == ("idempotency_key", 1)
