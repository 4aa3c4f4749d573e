"""An account runs dry in the middle of many jobs: none fails, and all finish after a top-up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.pauses import PauseControl
from support.processes import WORKER, eventually, sandbox

JOBS = 30
PRICE = 5


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    flags = ("--latency", "0.1", "--kie-limit", "0", "--credit", str(PRICE * JOBS // 2))
    with sandbox(tmp_path, *flags) as url:
        yield url


@pytest.fixture
def overrides(overrides: dict[str, str], provider: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": provider,
        "download_trusted_hosts": provider.removeprefix("http://"),
        "poll_countdowns": "0.2,0.2",
        "poll_tail_s": "0.2",
        "sweep_every_s": "0.1",
    }


def test_empty_account_fails_no_job(settings: Settings, start: Start, provider: str) -> None:
    client, pauses = LocalClient(settings), PauseControl(settings)
    requests_ = [{"provider": "kie-flux-kontext", "prompt": f"image {n}"} for n in range(JOBS)]
    jobs = client.submit_many(requests_)
    start(*WORKER)

    def has_run_dry() -> bool:
        counts = client.counts()
        return counts[State.QUEUED] + counts[State.SUCCEEDED] == JOBS and bool(pauses.list_all())

    eventually(has_run_dry, 60)
    (pause,) = pauses.list_all()
    assert (pause.name, pause.kind) == ("kie:main", "credit")
    assert 0 < client.counts()[State.SUCCEEDED] < JOBS
    answer = requests.post(f"{provider}/sandbox/credit", json={"credit": PRICE * JOBS}, timeout=30)
    assert answer.status_code == 204
    pauses.resume("kie:main")
    done = list(client.as_completed([job.id for job in jobs], 60))
    assert {job.state for job in done} == {State.SUCCEEDED}
    assert pauses.list_all() == []
    ledger = requests.get(f"{provider}/sandbox/ledger", timeout=30).json()["total"]
    assert (ledger["accepted"], set(ledger["refused"])) == (JOBS, {"402"})
