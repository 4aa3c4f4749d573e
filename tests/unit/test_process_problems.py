"""What differs between processes: one line for each difference, with what to do."""

from typing import Any

from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.processes import find_problems
from imagequeue.store.deployment.processes import Process

NOW = utc_now()
QUEUES = [*Queue]


def process(**changed: Any) -> Process:
    fields = {"kind": "worker", "host": "a", "pid": 1, "version": "1.0", "queues": QUEUES}
    common = {"clock_ahead_s": 0.1, "started_at": NOW, "seen_at": NOW}
    return Process(
        **{**fields, **common, "storage": "one", "settings": {"lease_s": "x"}, **changed}
    )


def problems(*processes: Process, **settings: Any) -> list[str]:
    return list(find_problems(processes, Settings(**settings)))


def test_equal_processes_have_no_problem() -> None:
    receiver = process(kind="receiver", queues=[], storage="")
    assert problems(process(), process(host="b"), receiver) == []


def test_the_odd_process_of_each_difference_is_named() -> None:
    odd = process(host="b", pid=7, version="2.0", storage="two", settings={"lease_s": "y"})
    at = "worker on b, pid 7"
    assert problems(process(), process(), odd) == [
        f"version differs (1.0 elsewhere): {at} has 2.0: finish the update, or restart what is old",
        f"storage differs (one elsewhere): {at} has two: set the same IMAGEQUEUE_STORAGE_URL "
        "everywhere, and restart",
        f"IMAGEQUEUE_LEASE_S differs: {at}: set the same everywhere, and restart",
    ]


def test_a_setting_that_another_version_does_not_have_is_no_difference() -> None:
    assert problems(process(), process(settings={"lease_s": "x", "new": "y"})) == []


def test_a_clock_that_is_wrong_is_named() -> None:
    (line,) = problems(process(), process(kind="api", queues=[], clock_ahead_s=-30))
    assert line == "the clock of api on a, pid 1 is 30.0 s behind Redis: set it by NTP"


def test_a_queue_without_a_worker_is_named() -> None:
    others = [each for each in Queue if each is not Queue.DOWNLOAD]
    flower = process(kind="flower", queues=["download"])
    (line,) = problems(process(queues=others), flower)
    assert line == "no worker for the queue download: start one with `-Q download`"


def test_callbacks_need_a_worker_only_with_a_public_url() -> None:
    worker = process(queues=[each for each in Queue if each is not Queue.CALLBACK])
    assert problems(worker) == []
    (line,) = problems(worker, public_url="https://example.com")
    assert "queue callback" in line
