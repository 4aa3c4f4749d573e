"""Many requests in batches, as a stream."""

from collections.abc import Iterator
from typing import Any

import pytest

from imagequeue import Client, InvalidRequestError, LocalClient, RefusedJob
from imagequeue.config.settings import Settings
from support.flaky import Flaky

CAT = {"provider": "kie-flux-kontext", "prompt": "a cat"}
NONE = {"provider": "kie-flux-kontext", "prompt": ""}


def test_requests_are_read_and_accepted_in_batches(client: Client) -> None:
    read: list[int] = []

    def make() -> Iterator[dict[str, Any]]:
        for number in range(7):
            read.append(number)
            yield {**CAT, "metadata": {"number": number}}

    accepted = client.submit_many(make(), chunk_size=3)
    first = next(accepted)
    assert read == [0, 1, 2]
    all_of_them = [first, *accepted]
    assert [each.index for each in all_of_them] == list(range(7))
    assert len({each.batch for each in all_of_them}) == 3
    assert client.get(all_of_them[5].id).metadata == {"number": 5}
    batch = client.batch(first.batch)
    assert (batch.total, batch.ended, batch.progress) == (3, 0, {"queued": 3})
    assert not batch.is_finished
    listed = list(client.batches(limit=2))
    assert [(each.total, each.spent_usd) for each in listed] == [(1, 0), (3, 0)]
    assert len({each.id for each in client.batches()}) == 3


def test_lost_answer_makes_no_second_batch(before: Flaky, settings: Settings) -> None:
    before.faults = ["lose answer", 503, "cut answer"]
    with Client(before.url) as client:
        accepted = [each.id for each in client.submit_many([CAT] * 5)]
    assert sorted(job.id for job in LocalClient(settings).list().jobs) == sorted(accepted)


def test_repetition_with_the_same_key_returns_the_same_jobs(client: Client) -> None:
    once, again = (
        [each.id for each in client.submit_many([CAT] * 4, idempotency_key="k", chunk_size=2)]
        for _ in range(2)
    )
    assert once == again
    assert [job.id for job in client.get_many(reversed(once))] == list(reversed(once))


def test_invalid_request_is_named_and_its_batch_refused(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        list(client.submit_many([CAT, CAT, CAT, NONE], chunk_size=2))
    assert [each.field for each in caught.value.problems] == ["requests.3.prompt"]
    assert len(list(client.list())) == 2


def test_refused_requests_are_skipped_if_they_are_heard_of(client: Client) -> None:
    refused: list[RefusedJob] = []
    requests = [CAT, NONE, NONE, NONE, CAT]
    accepted = client.submit_many(requests, on_refused=refused.append, chunk_size=2)
    assert [each.index for each in accepted] == [0, 4]
    assert [each.index for each in refused] == [1, 2, 3]
    assert refused[2].problems[0].field == "prompt"
