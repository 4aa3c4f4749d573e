"""Requests are repeated where that is safe, and only there."""

import socket

import pytest

from imagequeue import (
    ApiError,
    ApiUnavailableError,
    Client,
    InvalidTransitionError,
    LimitError,
    LocalClient,
)
from imagequeue.config.settings import Settings
from support.flaky import Flaky

CAT = ("kie-flux-kontext", "a cat")


@pytest.mark.parametrize(
    "faults",
    [
        ["lose request"],
        ["lose answer"],
        ["cut answer"],
        [429],
        [502, 504],
        ["lose answer", 503, "lose answer"],
    ],
)
def test_submit_is_one_job_whatever_is_lost(
    before: Flaky, settings: Settings, faults: list[str | int]
) -> None:
    before.faults = list(faults)
    with Client(before.url) as client:
        job = client.submit(*CAT)
    assert [each.id for each in LocalClient(settings).list().jobs] == [job.id]
    assert len(before.seen) == len(faults) + 1
    assert len({key for _, _, key in before.seen}) == 1


def test_read_is_repeated(before: Flaky) -> None:
    with Client(before.url) as client:
        job = client.submit(*CAT)
        before.faults = ["lose request", 503]
        assert client.get(job.id).id == job.id
        before.faults = ["lose answer"]
        assert [each.id for each in client.list()] == [job.id]


def test_change_whose_answer_is_lost_is_not_repeated(before: Flaky, settings: Settings) -> None:
    with Client(before.url) as client:
        job = client.submit(*CAT)
        before.faults = ["lose answer"]
        with pytest.raises(ApiUnavailableError):
            client.cancel(job)
        assert len(before.seen) == 2
        with pytest.raises(InvalidTransitionError):
            client.cancel(job)
        before.faults = [429]
        with pytest.raises(InvalidTransitionError):  # it was repeated: nothing was done before
            client.cancel(job)
    assert LocalClient(settings).get(job.id).state == "cancelled"


def test_limit_that_lasts_longer_than_the_call_is_raised_at_once(before: Flaky) -> None:
    before.faults, before.retry_after = [429], "3600"
    with Client(before.url) as client, pytest.raises(LimitError) as caught:
        client.submit(*CAT)
    assert caught.value.retry_after_s == 3600
    assert len(before.seen) == 1


def test_limit_without_an_end_is_raised_at_once(before: Flaky) -> None:
    before.faults, before.retry_after = [429], None
    with Client(before.url) as client, pytest.raises(LimitError) as caught:
        client.submit(*CAT)
    assert caught.value.retry_after_s is None
    assert len(before.seen) == 1


def test_api_that_stays_away_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", "s3cret", timeout_s=0.5) as client:
        with pytest.raises(ApiUnavailableError, match="check IMAGEQUEUE_URL") as caught:
            client.submit(*CAT)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(ApiUnavailableError):
        Client(f"http://127.0.0.1:{port}", timeout_s=0.5).get("job_1")


def test_answer_of_another_server_is_an_api_error(before: Flaky) -> None:
    before.faults = [500]
    with Client(before.url) as client:
        with pytest.raises(ApiError, match="not now") as caught:
            client.submit(*CAT)
        assert caught.value.status == 500
        before.faults = [200]
        with pytest.raises(ApiError, match="not from the API of a queue"):
            client.submit(*CAT)
