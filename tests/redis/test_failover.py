"""A failover: the primary becomes a replica, while every connection to it stays open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.producer.local.embedded_redis import find_server_binary
from support.api_process import run_api, state_of, submit
from support.processes import WORKER, eventually
from support.replicas import Pair, replicated
from support.worker.receiver import post, run_receiver, url_of


@pytest.fixture
def pair(overrides: dict[str, str], tmp_path: Path) -> Iterator[Pair]:
    """Two servers of the test's own, and the settings lead to the one in charge."""
    with replicated(find_server_binary(), tmp_path) as pair:
        overrides["redis_url"] = pair.url
        yield pair


@pytest.fixture
def overrides(overrides: dict[str, str], sandbox_url: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": sandbox_url,
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "poll_countdowns": "0.3,1,2",
        "sweep_every_s": "0.1",
        "lease_s": "3",
    }


def has_refused(pair: Pair, error: str) -> bool:
    """Whether the primary has given this error, and has refused a worker that asks for messages."""
    asked = pair.primary.info("commandstats").get("cmdstat_brpop", {})
    return f"errorstat_{error}" in pair.primary.info("errorstats") and asked["rejected_calls"] > 0


def list_kinds(api: str) -> list[str]:
    found = requests.get(f"{api}/v1/processes", timeout=30).json()["processes"]
    return [each["kind"] for each in found]


def get(url: str) -> int:
    return requests.get(url, timeout=30).status_code


def test_every_process_survives_a_failover(pair: Pair, start: Start, settings: Settings) -> None:
    (_, api), (_, receiver) = run_api(start), run_receiver(start)
    worker = start(*WORKER)
    callback = receiver + url_of(settings)
    before = submit(api).json()["id"]
    eventually(lambda: state_of(api, before) == "succeeded")
    assert post(callback) == 200

    # The primary has lost its replica, and `min-replicas-to-write` asks for one.
    pair.detach()
    pair.primary.config_set("min-replicas-to-write", 1)
    eventually(lambda: has_refused(pair, "NOREPLICAS"))
    assert (post(callback), submit(api).status_code) == (503, 503)
    pair.attach()
    pair.primary.config_resetstat()
    assert post(callback) == 200
    meanwhile = submit(api).json()["id"]
    eventually(lambda: state_of(api, meanwhile) == "succeeded")

    pair.demote()
    assert (post(callback), submit(api).status_code) == (503, 503)
    for process in (api, receiver):
        assert (get(f"{process}/healthz"), get(f"{process}/readyz")) == (200, 503)

    eventually(lambda: has_refused(pair, "READONLY"))
    pair.switch()
    assert post(callback) == 200
    accepted = submit(api)
    assert accepted.status_code == 202
    for process in (api, receiver):
        assert (get(f"{process}/healthz"), get(f"{process}/readyz")) == (200, 200)
    eventually(lambda: state_of(api, accepted.json()["id"]) == "succeeded")
    assert worker.popen.poll() is None
    eventually(lambda: list_kinds(api) == ["api", "receiver", "worker"])
    # One line a minute for one cause: without this limit, dozens and a traceback each second.
    assert worker.output.count("Cannot connect") < 5
    assert "Traceback" not in worker.output
    assert worker.stop() == 0
    assert list_kinds(api) == ["api", "receiver"]
