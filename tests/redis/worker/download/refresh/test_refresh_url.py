"""A dead URL is refreshed by its provider, and the image saved in the same step."""

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context, open_context
from imagequeue.worker.download import download
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.hostile import (
    Host,
    downloading,
    files,
    hosting,
    in_turn,
    says,
    set_bounds,
    to_the_end,
)
from support.jobs import kie_done, path, queued
from support.processes import eventually
from support.sandbox import Sandbox
from support.stub import Stub
from support.worker.refreshes import FOREIGN, PNG, REFRESH_PATH, answering, asked, refreshed


def test_expired_url_is_refreshed_and_saved(
    ctx: Context, stub: Stub, host: Host, clock: Clock
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    stub.answer = answering(refreshed(f"{host.url}/fresh"))
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    (image,) = job.images
    assert (job.state, image.state, image.error) == (State.SUCCEEDED, "stored", None)
    assert (image.source_url, image.refreshed_url) == (f"{host.url}/dead", f"{host.url}/fresh")
    assert image.expires_at == clock() + timedelta(minutes=20)
    assert stub.asked == [("POST", REFRESH_PATH, {"url": f"{host.url}/dead"})]
    assert host.paths == ["/dead", "/fresh"]
    assert files(ctx) == [f"{job_id}/0.png", f"{job_id}/job.json"]


@pytest.mark.parametrize("status", [200, 404, 410])
def test_any_refused_url_is_refreshed(ctx: Context, stub: Stub, host: Host, status: int) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = in_turn(says(status, b"<html>gone"), says(200, PNG))
    stub.answer = answering(refreshed(f"{host.url}/fresh"))
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED


def test_temporary_failure_is_not_refreshed(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = says(503)
    assert download(ctx, job_id) == 5
    assert asked(stub) == []


def test_key_is_sent_to_the_provider_only(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    with hosting() as kie:
        kie.speak = says(200, f'{{"code": 200, "data": "{host.url}/fresh"}}'.encode())
        set_bounds(ctx, kie_base_url=kie.url)
        assert download(ctx, job_id) is None
        assert kie.asked[0].headers["authorization"] == "Bearer a kie key"
    assert [each.headers.get("authorization") for each in host.asked] == [None, None]


LOOKUPS: dict[str, Callable[[str], Any]] = {
    "the same URL": lambda url: kie_done(f"{url}/dead"),
    "another dead one": lambda url: kie_done(f"{url}/dead/too"),
    "no image": lambda _: (200, {"code": 200, "data": {"taskId": "task-1", "successFlag": 0}}),
    "a failure": lambda _: (200, {"code": 200, "data": {"taskId": "task-1", "successFlag": 3}}),
    "an error": lambda _: (500, {}),
    "a page": lambda _: (200, b"<html>"),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("lookup", LOOKUPS.values(), ids=LOOKUPS)
def test_unrefreshable_job_ends_unsaved(
    ctx: Context, stub: Stub, host: Host, lookup: Callable[[str], Any]
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    stub.answer = answering(FOREIGN, lookup(host.url))
    assert download(ctx, job_id) == 5
    image = ctx.store.get(job_id).images[0]
    assert (image.state, image.attempts, image.error) == ("pending", 1, "HTTP 403")
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert (job.state, job.images[0].state) == (State.UNSAVED, "expired")
    assert job.error
    assert job.error.message == "1 of 1 images could not be saved: HTTP 403"
    # A look-up that gets no response on a kept connection is repeated at once.
    assert [name for name, _ in groupby(asked(stub))] == ["download-url", "record-info"] * 2
    # What was refused a moment ago is not asked twice in one try.
    assert host.paths.count("/dead") == 2
    assert files(ctx) == []
    LocalClient(ctx.settings, now=ctx.now).retry(job_id)
    stub.answer = answering(refreshed(f"{host.url}/fresh"))
    assert download(ctx, job_id) is None
    assert path(ctx.store.get(job_id))[-3:] == ["unsaved", "downloading", "succeeded"]
    assert not any("generate" in each for each in asked(stub))


def test_retry_fetches_only_missing_images(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead", f"{host.url}/origin")
    to_the_end(ctx, job_id)
    assert [image.state for image in ctx.store.get(job_id).all_images] == ["expired", "stored"]
    host.asked.clear()
    LocalClient(ctx.settings, now=ctx.now).retry(job_id)
    host.speak = says(200, PNG)
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED
    assert host.paths == ["/dead"]
    assert not any("generate" in each for each in asked(stub))


def test_failure_at_new_url_costs_one_try(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    stub.answer = answering(refreshed(f"{host.url}/fresh"))
    host.speak = in_turn(says(403), says(503), says(403), says(200, PNG))
    assert download(ctx, job_id) == 5
    assert ctx.store.get(job_id).images[0].error == "HTTP 503"
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED


@pytest.mark.parametrize("known", [True, False], ids=["refreshed", "given up"])
def test_origin_is_refreshed_once(ctx: Context, stub: Stub, host: Host, known: bool) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0", f"{host.url}/dead")
    stub.answer = answering(refreshed(f"{host.url}/fresh") if known else FOREIGN)
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    result, origin = job.all_images
    assert (job.state, job.error, result.state) == (State.SUCCEEDED, None, "stored")
    assert (origin.state, origin.error) == (("stored", None) if known else ("expired", "HTTP 403"))
    assert asked(stub).count("download-url") == 1
    assert host.paths.count("/dead") == 1


def test_missing_key_loses_no_job(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    set_bounds(ctx, kie_api_key=None)  # type: ignore[arg-type]
    assert download(ctx, job_id) == 5
    assert (ctx.store.get(job_id).state, stub.asked) == (State.DOWNLOADING, [])


def test_refreshed_private_address_is_refused(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    with hosting() as secret:
        stub.answer = answering(refreshed(f"{secret.url}/0"))
        assert download(ctx, job_id) is None
        assert secret.asked == []
    assert "127.0.0.1 is a private address" in (ctx.store.get(job_id).images[0].error or "")


# With the sandbox


@pytest.mark.parametrize("life", ["dies:0", "dead"])
def test_sandbox_url_is_refreshed(overrides: dict[str, str], sandbox: Sandbox, life: str) -> None:
    trusted = sandbox.url.removeprefix("http://")
    mine = {"kie_base_url": sandbox.url, "download_trusted_hosts": trusted}
    settings = read_settings(**{**overrides, **mine})
    with make_celery(settings) as celery:
        ctx = open_context(settings, celery)
        prompt = f"a {time.monotonic_ns()} cat [url={life}]"
        job_id = queued(ctx, prompt=prompt)
        submit(ctx, job_id)
        eventually(lambda: poll(ctx, job_id) is None)
        job = to_the_end(ctx, job_id)
    (result, *_) = job.images
    if life == "dead":
        assert (job.state, result.error) == (State.UNSAVED, "HTTP 403")
    else:
        assert (job.state, result.content_type) == (State.SUCCEEDED, "image/jpeg")
        assert result.refreshed_url
        assert "/until-" in result.refreshed_url
    assert len(sandbox.submissions(prompt)) == 1
