"""A primary that dies: the Sentinels elect another one, and no process has to be restarted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.producer.doctor.diagnose import CHECKS
from imagequeue.producer.local.embedded_redis import find_server_binary
from support.api_process import run_api, state_of, submit
from support.processes import WORKER, eventually
from support.sentinels import Sentinels, running_sentinels
from support.worker.receiver import post, run_receiver, url_of


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with running_sentinels(find_server_binary(), tmp_path) as sentinels:
        yield sentinels


@pytest.fixture
def overrides(overrides: dict[str, str], sandbox_url: str, sentinels: Sentinels) -> dict[str, str]:
    return {
        **overrides,
        "redis_url": sentinels.url,
        "kie_base_url": sandbox_url,
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "poll_countdowns": "0.3,1,2",
        "sweep_every_s": "0.1",
        "lease_s": "3",
    }


def test_every_process_follows_the_sentinels(
    sentinels: Sentinels, start: Start, settings: Settings
) -> None:
    (_, api), (_, receiver) = run_api(start), run_receiver(start)
    worker = start(*WORKER)
    callback = receiver + url_of(settings)
    before = submit(api).json()["id"]
    eventually(lambda: state_of(api, before) == "succeeded")
    assert post(callback) == 200

    sentinels.kill_primary()
    assert state_of(api, before) == "succeeded"
    eventually(lambda: post(callback) == 200)
    after = submit(api).json()["id"]
    eventually(lambda: state_of(api, after) == "succeeded", 60)
    assert worker.popen.poll() is None


def test_the_doctor_asks_the_sentinels(settings: Settings) -> None:
    assert "evicts nothing" in CHECKS["redis"](settings)
