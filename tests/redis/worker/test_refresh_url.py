"""Renewal: a result URL that is dead is asked for anew, for nothing, and no job is lost to it."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import Client
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
    picture,
    says,
    set_bounds,
    to_the_end,
)
from support.jobs import kie_done, kie_refused, path, queued
from support.processes import eventually
from support.sandbox import Sandbox
from support.stub import Stub

PNG = picture()
RENEWAL = "/api/v1/common/download-url"
FOREIGN = kie_refused(422, "The URL is not one of ours")


@pytest.fixture
def host() -> Iterator[Host]:
    """The image host: what is called `dead` there is, and the rest is a picture."""
    with hosting() as one:
        one.speak = lambda connection, asked: says(403 if "dead" in asked.path else 200, PNG)(
            connection, asked
        )
        yield one


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub, host: Host) -> dict[str, str]:
    mine = {"kie_base_url": stub.url, "acedata_base_url": stub.url, "download_attempts": "2"}
    return {**overrides, **mine, "download_trusted_hosts": host.netloc}


Answer = Callable[[str, str, Any], Any]


def answering(renewal: Any = FOREIGN, lookup: Any = (404, {})) -> Answer:
    return lambda _, path, __: renewal if path == RENEWAL else lookup


def renewed(url: str) -> tuple[int, dict[str, Any]]:
    return 200, {"code": 200, "msg": "success", "data": url}


def asked(stub: Stub) -> list[str]:
    return [path.split("?")[0].rpartition("/")[2] for _, path, _ in stub.asked]


def test_a_dead_url_is_renewed_and_its_picture_saved_in_the_same_step(
    ctx: Context, stub: Stub, host: Host, clock: Clock
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    stub.answer = answering(renewed(f"{host.url}/fresh"))
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    (image,) = job.images
    assert (job.state, image.state, image.error) == (State.SUCCEEDED, "stored", None)
    assert (image.source_url, image.refreshed_url) == (f"{host.url}/dead", f"{host.url}/fresh")
    assert image.expires_at == clock() + timedelta(minutes=20)
    assert stub.asked == [("POST", RENEWAL, {"url": f"{host.url}/dead"})]
    assert host.paths == ["/dead", "/fresh"]
    assert files(ctx) == [f"{job_id}/0.png", f"{job_id}/job.json"]


@pytest.mark.parametrize("status", [200, 404, 410])
def test_whatever_is_refused_is_renewed(ctx: Context, stub: Stub, host: Host, status: int) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = in_turn(says(status, b"<html>gone"), says(200, PNG))
    stub.answer = answering(renewed(f"{host.url}/fresh"))
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED


def test_trouble_of_the_host_is_no_reason_to_renew(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = says(503)
    assert download(ctx, job_id) == 5
    assert asked(stub) == []


def test_the_key_is_for_the_provider_alone(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    with hosting() as kie:
        kie.speak = says(200, f'{{"code": 200, "data": "{host.url}/fresh"}}'.encode())
        set_bounds(ctx, kie_base_url=kie.url)
        assert download(ctx, job_id) is None
        assert kie.asked[0].headers["authorization"] == "Bearer a kie key"
    assert [each.headers.get("authorization") for each in host.asked] == [None, None]


FRESH_RECORDS: list[Any] = [
    FOREIGN,
    (500, b"<html>"),
    renewed("ftp://elsewhere/0.png"),
    renewed(""),
    (200, {"code": 200, "data": None}),
    None,
]
WORDS = ["foreign", "error page", "no web address", "empty", "null", "no answer"]


@pytest.mark.parametrize("renewal", FRESH_RECORDS, ids=WORDS)
def test_where_no_link_is_given_a_fresh_record_may_have_one(
    ctx: Context, stub: Stub, host: Host, renewal: Any
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    stub.answer = answering(renewal, kie_done(f"{host.url}/other"))
    assert download(ctx, job_id) is None
    (image,) = ctx.store.get(job_id).images
    assert (image.state, image.refreshed_url) == ("stored", f"{host.url}/other")
    assert asked(stub) == ["download-url", "record-info"]
    assert host.paths == ["/dead", "/other"]


LOOKUPS: dict[str, Callable[[str], Any]] = {
    "the same URL": lambda url: kie_done(f"{url}/dead"),
    "another dead one": lambda url: kie_done(f"{url}/dead/too"),
    "no picture": lambda _: (200, {"code": 200, "data": {"taskId": "task-1", "successFlag": 0}}),
    "a failure": lambda _: (200, {"code": 200, "data": {"taskId": "task-1", "successFlag": 3}}),
    "an error": lambda _: (500, {}),
    "a page": lambda _: (200, b"<html>"),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("lookup", LOOKUPS.values(), ids=LOOKUPS)
def test_where_nobody_knows_better_the_job_ends_unsaved_and_retry_pays_nothing(
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
    Client(ctx.settings, now=ctx.now).retry(job_id)
    stub.answer = answering(renewed(f"{host.url}/fresh"))
    assert download(ctx, job_id) is None
    assert path(ctx.store.get(job_id))[-3:] == ["unsaved", "downloading", "succeeded"]
    assert not any("generate" in each for each in asked(stub))


def test_a_retry_of_an_unsaved_job_fetches_only_what_is_missing(
    ctx: Context, stub: Stub, host: Host
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead", f"{host.url}/origin")
    to_the_end(ctx, job_id)
    assert [image.state for image in ctx.store.get(job_id).images] == ["expired", "stored"]
    host.asked.clear()
    Client(ctx.settings, now=ctx.now).retry(job_id)
    host.speak = says(200, PNG)
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED
    assert host.paths == ["/dead"]
    assert not any("generate" in each for each in asked(stub))


def test_trouble_at_the_fresh_url_costs_a_try_and_no_more(
    ctx: Context, stub: Stub, host: Host
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    stub.answer = answering(renewed(f"{host.url}/fresh"))
    host.speak = in_turn(says(403), says(503), says(403), says(200, PNG))
    assert download(ctx, job_id) == 5
    assert ctx.store.get(job_id).images[0].error == "HTTP 503"
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.SUCCEEDED


@pytest.mark.parametrize("known", [True, False], ids=["renewed", "given up"])
def test_an_origin_is_renewed_once_and_no_job_waits_for_it(
    ctx: Context, stub: Stub, host: Host, known: bool
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0", f"{host.url}/dead")
    stub.answer = answering(renewed(f"{host.url}/fresh") if known else FOREIGN)
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    result, origin = job.images
    assert (job.state, job.error, result.state) == (State.SUCCEEDED, None, "stored")
    assert (origin.state, origin.error) == (("stored", None) if known else ("expired", "HTTP 403"))
    assert asked(stub).count("download-url") == 1
    assert host.paths.count("/dead") == 1


def test_a_fresh_record_renews_each_picture_with_its_own(
    ctx: Context, stub: Stub, host: Host
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead/0", f"{host.url}/dead/1")
    stub.answer = answering(FOREIGN, kie_done(f"{host.url}/result", f"{host.url}/origin"))
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert [image.refreshed_url for image in job.images] == [
        f"{host.url}/result",
        f"{host.url}/origin",
    ]


def test_a_fresh_record_of_another_order_renews_nothing(
    ctx: Context, stub: Stub, host: Host
) -> None:
    """Where the origin was, a second result lies now: it is another picture."""
    job_id = downloading(ctx, stub, f"{host.url}/0", f"{host.url}/dead")
    urls = {"resultUrls": [f"{host.url}/0", f"{host.url}/1"]}
    data = {"taskId": "task-1", "state": "success", "resultJson": urls}
    stub.answer = answering(FOREIGN, (200, {"code": 200, "msg": "success", "data": data}))
    assert download(ctx, job_id) is None
    assert [image.state for image in ctx.store.get(job_id).images] == ["stored", "expired"]
    assert host.paths == ["/0", "/dead"]


def acedata(*urls: str) -> tuple[int, dict[str, Any]]:
    data = [{"success": True, "image_url": url} for url in urls]
    response = {"success": True, "task_id": "task-1", "data": data}
    return 200, {"id": "task-1", "response": response, "finished_at": 1.0}


@pytest.mark.parametrize(
    ("lookup", "state"),
    [("fresh", State.SUCCEEDED), ("dead", State.UNSAVED), (None, State.UNSAVED)],
    ids=["another", "the same", "none"],
)
def test_acedata_is_asked_for_a_fresh_record(
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


def test_a_key_that_is_gone_meanwhile_loses_no_job(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    set_bounds(ctx, kie_api_key=None)  # type: ignore[arg-type]
    assert download(ctx, job_id) == 5
    assert (ctx.store.get(job_id).state, stub.asked) == (State.DOWNLOADING, [])


def test_a_private_address_is_not_believed_from_a_renewal_either(
    ctx: Context, stub: Stub, host: Host
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/dead")
    with hosting() as secret:
        stub.answer = answering(renewed(f"{secret.url}/0"))
        assert download(ctx, job_id) == 5
        assert secret.asked == []
    assert ctx.store.get(job_id).images[0].error == "127.0.0.1 is a private address"


# With the sandbox


@pytest.mark.parametrize("life", ["dies:0", "dead"])
def test_a_dead_url_of_the_sandbox_is_renewed_through_its_download_url(
    overrides: dict[str, str], sandbox: Sandbox, life: str
) -> None:
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
