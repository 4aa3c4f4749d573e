"""A slow host leaves threads for the downloads from others."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from imagequeue.worker.download import BUSY_RETRY_S, download
from imagequeue.worker.http import client
from imagequeue.worker.saving import fetch
from imagequeue.worker.saving.host_slots import HostBusyError, HostSlots
from support.hostile import Host, downloading, drip, head, hosting, says, then
from support.stub import Stub
from support.worker.downloads import make_image

THREADS = 8
PNG = make_image()


@pytest.fixture
def slow() -> Iterator[Host]:
    with hosting() as host:
        yield host


@pytest.fixture
def fast() -> Iterator[Host]:
    with hosting() as host:
        host.speak = says(200, PNG)
        yield host


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub, slow: Host, fast: Host) -> dict[str, str]:
    trusted = f"{slow.netloc},{fast.netloc}"
    return {**overrides, "kie_base_url": stub.url, "download_trusted_hosts": trusted}


def test_normal_download_passes_those_of_a_slow_host(
    ctx: Context, stub: Stub, slow: Host, fast: Host
) -> None:
    ended = threading.Event()
    slow.speak = lambda connection, _: (  # type: ignore[assignment,return-value]
        connection.sendall(head(200, Content_Length=1000)),
        ended.wait(60),
    )
    stuck = [downloading(ctx, stub, f"{slow.url}/{n}") for n in range(THREADS)]
    normal = downloading(ctx, stub, f"{fast.url}/0")
    with ThreadPoolExecutor(THREADS) as threads:
        tries = [threads.submit(download, ctx, job_id) for job_id in stuck]
        assert threads.submit(download, ctx, normal).result(timeout=60) is None
        assert ctx.store.get(normal).state is State.SUCCEEDED
        # The others find no slot, which counts as no attempt.
        refused = islice(as_completed(tries, timeout=60), THREADS - fetch.MAX_DOWNLOADS_PER_HOST)
        results = [each.result() for each in refused]
        ended.set()
    assert set(results) == {BUSY_RETRY_S}
    attempts = sorted(ctx.store.get(job_id).images[0].attempts for job_id in stuck)
    assert attempts == [0] * len(results) + [1] * fetch.MAX_DOWNLOADS_PER_HOST


def test_dripping_download_is_given_up(
    ctx: Context, stub: Stub, slow: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_SILENCE_S", 1)
    slow.speak = then(lambda c, _: c.sendall(head(200, Content_Length=100_000)), drip)
    job_id = downloading(ctx, stub, f"{slow.url}/0")
    assert download(ctx, job_id) == 5
    (image,) = ctx.store.get(job_id).images
    assert (image.state, image.error) == ("pending", "Timeout was reached")


def test_slot_is_free_again_after_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagequeue.worker.saving.host_slots.WAIT_S", 0)
    slots = HostSlots(1)
    with (
        slots.hold("http://me:secret@A.example:80/0"),
        slots.hold("http://b.example/0"),
        pytest.raises(HostBusyError),
        slots.hold("http://a.example:80/1"),
    ):
        pass
    with slots.hold("http://a.example:80/1"):
        pass
