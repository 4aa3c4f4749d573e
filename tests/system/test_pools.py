"""Celery's pools with real processes: forked children, many threads, and no concurrency at all."""

import pytest
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.app import make_worker_app

WORKER = ("celery", "-A", "imagequeue.worker", "worker", "--without-gossip", "--without-mingle")
POOLS = {
    "prefork": ("-P", "prefork", "-c", "4"),
    "threads": ("-P", "threads", "-c", "150"),
    "solo": ("-P", "solo"),
}
JOBS = 12


@pytest.fixture
def overrides(overrides: dict[str, str], sandbox_url: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": sandbox_url,
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
    }


@pytest.mark.parametrize("pool", POOLS)
def test_worker_pool_finishes_every_job_once(start: Start, settings: Settings, pool: str) -> None:
    worker = start(*WORKER, *POOLS[pool])
    client = LocalClient(settings)
    providers = ["acedata-flux", "kie-flux-kontext"]
    jobs = [client.submit(providers[n % 2], f"cat {n}", delivery="poll").id for n in range(JOBS)]
    finished = list(client.as_completed(jobs, 90))
    assert {job.state for job in finished} == {State.SUCCEEDED}, worker.output
    submissions = [entry.to for job in finished for entry in job.history]
    assert submissions.count(State.SUBMITTING) == JOBS
    assert "Traceback" not in worker.output
    assert worker.stop() == 0


@pytest.mark.filterwarnings("ignore::celery.exceptions.SecurityWarning")
@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_pool_of_green_threads_is_refused(
    settings: Settings, capfd: pytest.CaptureFixture[str], pool: str
) -> None:
    class TaskPool:
        """Stands for Celery's own, whose library need not be installed."""

    TaskPool.__module__ = f"celery.concurrency.{pool}"
    with pytest.raises(SystemExit) as ended:
        make_worker_app(settings).Worker(pool=TaskPool)
    assert ended.value.code == 2
    assert f"imagequeue: the pool {pool} is not supported" in capfd.readouterr().err
