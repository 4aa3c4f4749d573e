"""The operations of the HTTP client, against a served API."""

import asyncio
import threading
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow

from imagequeue import (
    AccessError,
    AsyncClient,
    Client,
    ConfigError,
    IdempotencyConflictError,
    InvalidRequestError,
    InvalidTransitionError,
    JobFailedError,
    LocalClient,
    Reason,
    State,
    UnknownBatchError,
    UnknownJobError,
)
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import JobError, utc_now
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.worker.context import Context
from support.images import stored
from support.jobs import move, queued
from support.processes import eventually

CAT = ("kie-flux-kontext", "a cat")


def png(color: str = "red") -> bytes:
    buffer = BytesIO()
    Pillow.new("RGB", (8, 8), color).save(buffer, "PNG")
    return buffer.getvalue()


def test_submitted_job_has_what_was_asked_for(client: Client) -> None:
    job = client.submit(*CAT, params={"aspect_ratio": "16:9"}, metadata={"order": 7})
    assert (job.state, job.provider, job.prompt) == ("queued", *CAT)
    assert (job.params["aspect_ratio"], job.metadata) == ("16:9", {"order": 7})
    found = client.get(job.id)
    assert found.created_at == job.created_at
    assert found.queue is not None
    assert found.queue.position == 0


def test_async_client_does_the_same(api: str) -> None:
    async def use() -> str:
        async with AsyncClient(api) as client:
            job = await client.submit(*CAT)
            assert [each.id async for each in client.list(state="queued")] == [job.id]
            return (await client.cancel(job)).state

    assert asyncio.run(use()) == "cancelled"


def test_invalid_request_lists_every_problem(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.submit("kie-flux-kontext", "", params={"aspect_ratio": "17:1"})
    assert {each.field for each in caught.value.problems} == {"prompt", "params.aspect_ratio"}


def test_calls_are_two_jobs_unless_they_share_a_key(client: Client) -> None:
    assert client.submit(*CAT).id != client.submit(*CAT).id
    first = client.submit(*CAT, idempotency_key="order-7")
    assert client.submit(*CAT, idempotency_key="order-7").id == first.id
    with pytest.raises(IdempotencyConflictError):
        client.submit("kie-flux-kontext", "a dog", idempotency_key="order-7")


def test_local_file_is_uploaded(client: Client, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(png())
    url = "https://example.com/hat.png"
    params = {"model": "seedream/4.5-edit", "aspect_ratio": "1:1", "quality": "basic"}
    images = ["cat.png", png(), url]
    job = client.submit("kie", "a hat", action="edit", params=params, image=images)
    assert [each.partition("_")[0] for each in job.image_urls[:2]] == ["upload", "upload"]
    assert job.image_urls[2] == url
    uploaded = client.upload(tmp_path / "cat.png")
    assert (uploaded.width, uploaded.content_type) == (8, "image/png")


def test_same_file_uploaded_again_is_the_same_request(client: Client, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(png())
    edit = {"action": "edit", "idempotency_key": "hat-7"}
    first = client.submit(*CAT, image=png(), **edit)
    again = client.submit(*CAT, image=tmp_path / "cat.png", **edit)
    assert (again.id, again.image_urls) == (first.id, first.image_urls)
    client.cancel(first)
    with pytest.raises(JobFailedError) as caught:
        client.run(*CAT, image=png(), **edit)
    assert caught.value.job.id == first.id
    with pytest.raises(IdempotencyConflictError):
        client.submit(*CAT, image=png("blue"), **edit)
    assert len(list(client.list())) == 1


def test_file_that_cannot_be_read_is_refused_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match=r"image\.0: no\.png: No such file"):
        client.submit(*CAT, action="edit", image="no.png")
    assert list(client.list()) == []


def test_list_reads_all_pages(client: Client, ctx: Context) -> None:
    local = LocalClient(ctx.settings)
    local.submit_batch([{"provider": CAT[0], "prompt": "a cat"}] * 450)
    assert len({job.id for job in client.list(state="queued")}) == 450
    assert len(list(client.list(limit=3))) == 3
    assert list(client.list(state="failed")) == []


def test_image_is_read_saved_and_has_an_address(
    client: Client, ctx: Context, api: str, tmp_path: Path
) -> None:
    job_id = stored(ctx, png())
    image = client.get(job_id).image
    assert image.read() == png()
    assert image.save(tmp_path / "0.png").read_bytes() == png()
    assert image.url == f"{api}/v1/jobs/{job_id}/images/0"


def test_cancel_retry_and_acknowledge_change_the_job(client: Client, ctx: Context) -> None:
    job = client.cancel(client.submit(*CAT))
    assert job.state == "cancelled"
    with pytest.raises(InvalidTransitionError):
        client.cancel(job.id)
    failed, unsaved = queued(ctx), queued(ctx)
    move(ctx, failed, State.FAILED, error=JobError(reason=Reason.POLICY))
    move(ctx, unsaved, State.DOWNLOADING, State.UNSAVED)
    assert client.retry(failed).state == "queued"
    assert client.acknowledge(unsaved).reason == "unsaved"


def test_unknown_ids_are_told_apart(client: Client) -> None:
    for job_id in ("job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD", "..", "a/b?c"):
        with pytest.raises(UnknownJobError):
            client.get(job_id)
    with pytest.raises(UnknownBatchError):
        client.batch("batch_1")


def test_run_raises_the_reason_of_the_failure(client: Client, ctx: Context) -> None:
    def fail() -> None:
        job = eventually(lambda: next(iter(LocalClient(ctx.settings).list().jobs), None))
        error = JobError(reason=Reason.POLICY, code="400", message="no cats")
        move(ctx, job.id, State.FAILED, error=error)

    threading.Thread(target=fail).start()
    with pytest.raises(JobFailedError, match="policy 400 no cats") as caught:
        client.run(*CAT)
    assert (caught.value.reason, caught.value.job.state) == ("policy", "failed")


def test_wrong_key_is_an_access_error(api: str, settings: Settings, ctx: Context) -> None:
    key = ApiKeys(ctx.store.redis).add("shop", Limits(), utc_now())
    with Client(api, "wrong") as client, pytest.raises(AccessError, match="IMAGEQUEUE_API_KEY"):
        client.submit(*CAT)
    with Client(api, key) as client:
        assert client.submit(*CAT).submitted_by == "shop"


def test_environment_names_the_queue(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="set IMAGEQUEUE_URL"):
        Client()
    monkeypatch.setenv("IMAGEQUEUE_URL", f"{api}/")
    monkeypatch.setenv("IMAGEQUEUE_API_KEY", "")
    with Client() as client:
        assert client.submit(*CAT).state == "queued"


def test_local_client_needs_no_api(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEQUEUE_URL", "http://localhost:1")
    client = Client.local(settings, name="shop")
    assert isinstance(client, LocalClient)
    assert client.submit(*CAT).submitted_by == "shop"


def test_providers_are_listed(client: Client) -> None:
    found = {each.name: each for each in client.providers()}
    assert found["kie-flux-kontext"].actions == ["generate", "edit"]
