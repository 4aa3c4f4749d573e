"""Where a provider makes no new URL, a new look-up of the task may have one."""

from typing import Any

import pytest

from imagequeue.jobs.job import State
from imagequeue.providers import wire
from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.poll import poll
from imagequeue.worker.saving import refresh_url
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.hostile import (
    Host,
    downloading,
    to_the_end,
)
from support.jobs import kie_done, queued, waiting
from support.stub import Stub
from support.worker.refreshes import FOREIGN, answering, asked, refreshed

NO_LINKS: list[Any] = [
    FOREIGN,
    (500, b"<html>"),
    refreshed("ftp://elsewhere/0.png"),
    refreshed(""),
    (200, {"code": 200, "data": None}),
    None,
]

WORDS = ["foreign", "error page", "no web address", "empty", "null", "no answer"]


@pytest.mark.parametrize("refresh", NO_LINKS, ids=WORDS)
def test_look_up_finds_url_if_no_link_is_given(
    ctx: Context, stub: Stub, host: Host, refresh: Any
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    stub.answer = answering(refresh, kie_done(f"{host.url}/other"))
    assert download(ctx, job_id) is None
    (image,) = ctx.store.get(job_id).images
    assert (image.state, image.refreshed_url) == ("stored", f"{host.url}/other")
    assert asked(stub) == ["download-url", "record-info"]
    assert host.paths == ["/dead", "/other"]


def test_look_up_refreshes_each_image_by_index(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead/0", f"{host.url}/dead/1")
    stub.answer = answering(FOREIGN, kie_done(f"{host.url}/result", f"{host.url}/origin"))
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert [image.refreshed_url for image in job.all_images] == [
        f"{host.url}/result",
        f"{host.url}/origin",
    ]


def test_look_up_in_other_order_refreshes_nothing(ctx: Context, stub: Stub, host: Host) -> None:
    """Where the origin was, a second result lies now: it is another image."""
    job_id = downloading(ctx, stub, f"{host.url}/0", f"{host.url}/dead")
    urls = {"resultUrls": [f"{host.url}/0", f"{host.url}/1"]}
    data = {"taskId": "task-1", "state": "success", "resultJson": urls}
    stub.answer = answering(FOREIGN, (200, {"code": 200, "msg": "success", "data": data}))
    assert download(ctx, job_id) is None
    assert [image.state for image in ctx.store.get(job_id).all_images] == ["stored", "expired"]
    assert host.paths == ["/0", "/dead"]


def test_image_of_a_cut_list_is_refreshed_by_its_place(
    ctx: Context, stub: Stub, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider lists an origin first, and more images than a job takes."""
    monkeypatch.setattr(wire, "MAX_IMAGES", 2)

    def listed(word: str) -> tuple[ResultImage, ...]:
        origin = ResultImage(url=f"{host.url}/{word}/origin", kind="origin")
        return (origin, *(ResultImage(url=f"{host.url}/{word}/{n}") for n in range(2)))

    job_id = waiting(ctx, stub)
    apply_status(ctx, ctx.store.get(job_id), Succeeded(images=listed("dead")), "callback")
    stub.answer = answering(FOREIGN, None)
    monkeypatch.setattr(refresh_url, "look_up", lambda *_: Succeeded(images=listed("fresh")))
    assert download(ctx, job_id) is None
    images = ctx.store.get(job_id).images
    assert [image.refreshed_url for image in images] == [f"{host.url}/fresh/{n}" for n in range(2)]


def acedata(*urls: str) -> tuple[int, dict[str, Any]]:
    data = [{"success": True, "image_url": url} for url in urls]
    response = {"success": True, "task_id": "task-1", "data": data}
    return 200, {"id": "task-1", "response": response, "finished_at": 1.0}


@pytest.mark.parametrize(
    ("lookup", "state"),
    [("fresh", State.SUCCEEDED), ("dead", State.UNSAVED), (None, State.UNSAVED)],
    ids=["another", "the same", "none"],
)
def test_acedata_urls_are_looked_up(
    ctx: Context, stub: Stub, host: Host, clock: Clock, lookup: str | None, state: State
) -> None:
    job_id = queued(ctx, provider="acedata-flux")
    stub.answer = lambda *_: (200, {"task_id": "task-1"})
    submit(ctx, job_id)
    stub.answer = lambda *_: acedata(f"{host.url}/dead")
    clock.advance(60)
    poll(ctx, job_id)
    assert ctx.store.get(job_id).state is State.DOWNLOADING
    stub.asked.clear()
    stub.answer = lambda *_: acedata(f"{host.url}/{lookup}") if lookup else (500, {})
    job = to_the_end(ctx, job_id)
    assert job.state is state
    assert job.images[0].refreshed_url == (f"{host.url}/fresh" if lookup == "fresh" else None)
    lookups = [("POST", "/flux/tasks", {"action": "retrieve", "id": "task-1"})]
    assert stub.asked == lookups * (1 if lookup == "fresh" else 2)
