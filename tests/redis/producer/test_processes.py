"""The processes of the deployment: in the API, in the doctor and in the metrics."""

import json

import pytest
import redis

from imagequeue import __version__
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.store.deployment.processes import Heartbeat, ProcessKind
from imagequeue.worker.context import Context
from support.callers import Ask
from support.cli import imagequeue
from support.metrics import read, some

OTHERS = [each for each in Queue if each is not Queue.DOWNLOAD]


@pytest.fixture
def client(ctx: Context) -> redis.Redis:
    return ctx.store.redis


def test_an_admin_sees_processes_and_what_is_wrong(
    ask: Ask, client: redis.Redis, settings: Settings
) -> None:
    Heartbeat(client, settings, ProcessKind.WORKER).beat(OTHERS, "an id")
    Heartbeat(client, settings.model_copy(update={"lease_s": 1}), ProcessKind.WORKER).beat(OTHERS)
    found = ask("admin", "GET", "/v1/processes").json()
    worker = next(each for each in found["processes"] if each["storage"] == "an id")
    assert (worker["kind"], worker["queues"]) == ("worker", sorted(OTHERS))
    lines = "; ".join(found["problems"])
    assert "IMAGEQUEUE_LEASE_S differs: worker on " in lines
    assert "no worker for the queue download: start one with `-Q download`" in lines
    assert ask("shop", "GET", "/v1/processes").status_code == 403


def test_the_doctor_lists_processes_and_fails_for_what_differs(
    overrides: dict[str, str], client: redis.Redis, settings: Settings
) -> None:
    def diagnose() -> dict[str, list[tuple[bool, str]]]:
        findings = json.loads(imagequeue("doctor", "--json", settings=overrides).out)
        lines: dict[str, list[tuple[bool, str]]] = {}
        for each in findings:
            lines.setdefault(each["what"], []).append((each["ok"], each["detail"]))
        return lines

    ((is_ok, line),) = diagnose()["workers of download"]
    assert is_ok, "before the first start"
    assert line.startswith("none runs: `celery -A imagequeue.worker worker -Q download`")
    Heartbeat(client, settings, ProcessKind.RECEIVER).beat()
    Heartbeat(client, settings, ProcessKind.WORKER).beat(OTHERS, "0123456789")
    found = diagnose()
    ((is_ok, line),) = found["worker"]
    assert is_ok
    for words in ("(callback,notify,poll,submit): version ", "clock ", "storage 01234567, "):
        assert words in line
    assert len(found["receiver"]) == 1
    assert found["workers of submit"] == [(True, "1")]
    ((is_ok, line),) = found["workers of download"]
    assert not is_ok


def test_processes_and_workers_of_each_queue_are_counted(
    site: str, client: redis.Redis, settings: Settings
) -> None:
    for _ in range(2):
        Heartbeat(client, settings, ProcessKind.WORKER).beat(OTHERS)
    metrics = read(site)
    assert metrics["imagequeue_processes{kind=worker}"] == 2
    version = f"kind=worker,version={__version__}"
    assert metrics[f"imagequeue_process_versions{{{version}}}"] == 2
    # Without a public URL, no callback arrives.
    assert some(metrics, "imagequeue_queue_workers") == {
        f"imagequeue_queue_workers{{queue={queue}}}": 2
        for queue in OTHERS
        if queue is not Queue.CALLBACK
    }
