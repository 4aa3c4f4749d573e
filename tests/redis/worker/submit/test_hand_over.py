"""Images of our storage that jobs start from: the provider is handed them before it is paid."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.job import Image, State, utc_now
from imagequeue.jobs.upload import Upload
from imagequeue.producer.client import Client
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.hand_over import HAND_OVER_S
from imagequeue.worker.receiver.application import create_app
from imagequeue.worker.submit import submit
from support.asgi import serving
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, kie_refused, move, queued
from support.sandbox import Sandbox
from support.stub import Stub
from support.worker.account_keys import bearers, change, pause
from support.worker.downloads import folder_of, make_image

PNG = make_image("PNG")
UNKNOWN = "upload_01KA0000000000000000000000"
UPLOAD_PATH = "/api/file-stream-upload"
AT_PROVIDER = "https://files.example/handed.png"
UPLOADED = (200, {"success": True, "code": 200, "msg": "ok", "data": {"downloadUrl": AT_PROVIDER}})
OPENAI = {
    "provider": "openai-images",
    "params": {"model": "gpt-image-1"},
}
ACEDATA = {"provider": "acedata-flux"}


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": stub.url,
        "kie_upload_url": stub.url,
        "openai_api_key": "an openai key",
        "openai_base_url": f"{stub.url}/v1",
        "acedata_base_url": stub.url,
    }


@pytest.fixture
def client(ctx: Context) -> Client:
    return Client(ctx.settings, now=ctx.now)


@pytest.fixture
def upload(client: Client, tmp_path: Path) -> Upload:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    return client.upload(path)


def edit(client: Client, *image_urls: str, **fields: Any) -> str:
    given: dict[str, Any] = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "a hat"}
    return client.submit(**{**given, "image_urls": image_urls, **fields}).id


def succeed(ctx: Context, lifetime: timedelta = timedelta(hours=20)) -> str:
    """A job that has succeeded with one stored image; returns its id."""
    job_id = queued(ctx)
    path = folder_of(ctx) / job_id / "0.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(PNG)
    image = Image(
        index=0,
        source_url="https://a.example/0.png",
        expires_at=ctx.now() + lifetime,
        state="stored",
        uri=path.as_uri(),
        content_type="image/png",
        bytes=len(PNG),
    )
    move(ctx, job_id, State.SUBMITTING, State.WAITING)
    move(ctx, job_id, State.DOWNLOADING, State.SUCCEEDED, images=(image,))
    return job_id


def answer(uploaded: Any = UPLOADED, paid: Any = KIE_ACCEPTED) -> Callable[..., Any]:
    return lambda _, path, __: uploaded if path == UPLOAD_PATH else paid


def paid_bodies(stub: Stub) -> list[Any]:
    return [body for method, path, body in stub.asked if method == "POST" and path != UPLOAD_PATH]


def test_upload_is_sent_to_the_upload_api_of_the_provider(
    ctx: Context, client: Client, stub: Stub, upload: Upload
) -> None:
    stub.answer = answer()
    job_id = edit(client, upload.id)
    submit(ctx, job_id)
    (path, body), (_, paid) = [(path, body) for _, path, body in stub.asked]
    assert (path, PNG in body) == (UPLOAD_PATH, True)
    assert stub.headers[0]["authorization"] == "Bearer a kie key"
    assert paid["inputImage"] == AT_PROVIDER
    job = ctx.store.get(job_id)
    assert (job.state, job.image_urls) == (State.WAITING, (upload.id,))


def test_slow_hand_over_counts_within_the_rate_limit(
    ctx: Context, stub: Stub, upload: Upload, clock: Clock, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, kie_rate_limit="1/10", lease_s="30")
    client = Client(ctx.settings, now=ctx.now)
    first, second = (edit(client, upload.id) for _ in range(2))
    leased: list[str] = []

    def answer_late(_: str, path: str, __: Any) -> Any:
        if path == UPLOAD_PATH:
            clock.advance(55)
            leased.extend(ctx.submits.lease(clock(), 9).job_ids)
        return UPLOADED if path == UPLOAD_PATH else KIE_ACCEPTED

    stub.answer = answer_late
    submit(ctx, first)
    assert leased == []
    clock.advance(10)
    assert ctx.submits.lease(clock(), 9).job_ids == [second]


def test_upload_is_a_part_of_the_form_of_a_provider_that_takes_files(
    ctx: Context, client: Client, stub: Stub, upload: Upload
) -> None:
    first = succeed(ctx)
    submit(ctx, edit(client, upload.id, first, upload.id, **OPENAI))
    ((method, path, form),) = stub.asked
    assert (method, path) == ("POST", "/v1/images/edits")
    assert form.count(PNG) == 3
    assert form.count(b"Content-Type: image/png") == 3


def test_upload_is_at_a_signed_url_for_a_provider_that_takes_only_urls(
    ctx: Context, stub: Stub, upload: Upload, overrides: dict[str, str], clock: Clock
) -> None:
    clock.time = utc_now()  # the receiver has no other
    stub.answer = lambda *_: (200, {"task_id": "task-1", "success": True})
    with serving(create_app(ctx.settings)) as public_url:
        change(ctx, overrides, public_url=public_url)
        submit(ctx, edit(Client(ctx.settings, now=ctx.now), upload.id, **ACEDATA))
        (paid,) = paid_bodies(stub)
        assert requests.get(paid["image_url"], timeout=10).content == PNG
    _, _, expires, _, name = urlsplit(paid["image_url"]).path.split("/", 4)
    assert name == f"uploads/{upload.id}.png"
    assert int(expires) == int(ctx.now().timestamp()) + 86_400


def test_sandbox_gets_the_upload_of_a_job(
    ctx: Context, upload: Upload, overrides: dict[str, str], sandbox: Sandbox
) -> None:
    change(ctx, overrides, kie_base_url=sandbox.url, kie_upload_url=sandbox.url)
    job_id = edit(Client(ctx.settings, now=ctx.now), upload.id)
    submit(ctx, job_id)
    params = {"taskId": ctx.store.get(job_id).task_id}
    record = sandbox.get("/api/v1/flux/kontext/record-info", params=params, key="a kie key")
    given = json.loads(record.json()["data"]["paramJson"])["inputImage"]
    assert requests.get(given, timeout=10).content == PNG


def test_upload_is_refused_for_a_provider_that_cannot_get_it(
    client: Client, upload: Upload
) -> None:
    with pytest.raises(InvalidRequestError, match="IMAGEQUEUE_PUBLIC_URL is not set"):
        edit(client, upload.id, **ACEDATA)
    with pytest.raises(InvalidRequestError, match="acedata-flux takes only URLs"):
        edit(client, upload.id, fallback=[ACEDATA])


def test_upload_that_is_too_large_for_the_provider_is_refused(
    ctx: Context, client: Client, upload: Upload
) -> None:
    large = upload.model_copy(update={"bytes": 11_000_000})
    ctx.uploads.add(large, 60)
    with pytest.raises(InvalidRequestError, match="up to 10485760 bytes, and one has 11000000"):
        edit(client, upload.id)


def test_upload_that_is_unknown_expired_or_of_another_caller_is_refused(
    ctx: Context, client: Client, upload: Upload, clock: Clock
) -> None:
    def refuse(upload_id: str, **options: Any) -> None:
        request = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "a hat"}
        with pytest.raises(
            InvalidRequestError, match="no upload of yours, or has expired"
        ) as found:
            client.submit_request({**request, "image_urls": [upload_id]}, **options)
        assert [problem.field for problem in found.value.problems] == ["image_urls"]

    refuse(UNKNOWN)
    refuse(upload.id, submitted_by="shop", sees="shop")
    other = upload.id[:-1] + ("1" if upload.id[-1] == "0" else "0")
    ctx.store.redis.set(keys.upload(other), "damaged")
    refuse(other)
    edit(client, upload.id, after=[queued(ctx)])
    with pytest.raises(InvalidRequestError, match="no upload of yours"):
        edit(client, UNKNOWN, after=[queued(ctx)])
    clock.advance(ctx.settings.retention_s)
    refuse(upload.id)


def test_job_whose_upload_has_ended_is_cancelled_unpaid(
    ctx: Context, client: Client, stub: Stub, upload: Upload
) -> None:
    job_id = edit(client, upload.id)
    ctx.store.redis.delete(keys.upload(upload.id))
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.charged, stub.asked) == (State.CANCELLED, "no", [])
    assert "has expired" in (job.error.message if job.error else "")


@pytest.mark.parametrize("uploaded", [(503, b""), None, (200, b"no JSON"), kie_refused(401)])
def test_failed_hand_over_is_tried_again_unpaid(
    ctx: Context, client: Client, stub: Stub, upload: Upload, clock: Clock, uploaded: Any
) -> None:
    stub.answer = answer(uploaded)
    job_id = edit(client, upload.id)
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.error and job.error.code) == (State.QUEUED, "input")
    assert (paid_bodies(stub), job.charged) == ([], "no")
    assert ctx.pauses.list_all(ctx.now()) == []
    stub.answer = answer()
    clock.advance(3600)
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING


def test_worker_that_dies_during_a_hand_over_leaves_the_job_queued(
    ctx: Context, client: Client, stub: Stub, upload: Upload, clock: Clock
) -> None:
    leases: list[float] = []

    def die(*_: Any) -> None:
        due: Any = ctx.store.redis.zscore(keys.due(Queue.SUBMIT), job_id)
        leases.append(due - clock().timestamp())
        raise KeyboardInterrupt

    job_id = edit(client, upload.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(ctx.http), "send", die)
        with pytest.raises(KeyboardInterrupt):
            submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED
    assert leases == [HAND_OVER_S + ctx.settings.lease_s]
    clock.advance(leases[0] - 1)
    assert ctx.submits.lease(clock(), 9).job_ids == []
    clock.advance(1)
    assert ctx.submits.lease(clock(), 9).job_ids == [job_id]
    stub.answer = answer()
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING


def test_image_is_uploaded_with_the_key_that_pays(
    ctx: Context, stub: Stub, upload: Upload, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, kie_api_keys="spare:another key")
    pause(ctx, "main")
    stub.answer = answer()
    submit(ctx, edit(Client(ctx.settings, now=ctx.now), upload.id))
    assert bearers(stub) == ["another key"] * 2


def test_pause_during_a_hand_over_keeps_the_job_queued(
    ctx: Context, client: Client, stub: Stub, upload: Upload
) -> None:
    def pause_and_take(*_: Any) -> Any:
        pause(ctx, "main")
        return UPLOADED

    stub.answer = pause_and_take
    job_id = edit(client, upload.id)
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).state, paid_bodies(stub)) == (State.QUEUED, [])
    assert len(stub.asked) == 1


def test_hand_over_that_can_never_succeed_fails_the_job_unpaid(
    ctx: Context, client: Client, stub: Stub, upload: Upload
) -> None:
    refused, gone = edit(client, upload.id), edit(client, upload.id)
    stub.answer = answer(kie_refused(413, "a kie key sent too much"))
    submit(ctx, refused)
    (folder_of(ctx) / upload.name).unlink()
    submit(ctx, gone)
    jobs = [ctx.store.get(each) for each in (refused, gone)]
    assert [job.state for job in jobs] == [State.FAILED] * 2
    messages = [job.error.message if job.error else "" for job in jobs]
    assert "413 ... sent too much" in messages[0]
    assert "not in the storage any more" in messages[1]
    assert (paid_bodies(stub), jobs[0].charged) == ([], "no")


def test_stored_image_is_handed_over_once_its_url_has_expired(
    ctx: Context, client: Client, stub: Stub
) -> None:
    stub.answer = answer()
    first = succeed(ctx, timedelta(0))
    submit(ctx, edit(client, first))
    assert stub.asked[0][1] == UPLOAD_PATH
    assert PNG in stub.asked[0][2]
    assert paid_bodies(stub)[0]["inputImage"] == AT_PROVIDER
    with pytest.raises(InvalidRequestError, match="IMAGEQUEUE_PUBLIC_URL is not set"):
        edit(client, first, **ACEDATA)


def test_image_that_the_provider_could_not_fetch_is_handed_over_once(
    ctx: Context, client: Client, stub: Stub
) -> None:
    stub.answer = answer(paid=kie_refused(451, "could not fetch"))
    job_id = edit(client, succeed(ctx))
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED
    submit(ctx, job_id)
    assert [body["inputImage"] for body in paid_bodies(stub)] == [
        "https://a.example/0.png",
        AT_PROVIDER,
    ]
    job = ctx.store.get(job_id)
    assert (job.state, job.error and job.error.code, job.charged) == (State.FAILED, "451", "no")


def test_hand_over_after_a_refusal_is_no_further_attempt(
    ctx: Context, client: Client, stub: Stub, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, submit_attempts="1")
    stub.answer = answer(paid=kie_refused(451, "could not fetch"))
    job_id = edit(client, succeed(ctx))
    submit(ctx, job_id)
    stub.answer = answer()
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING
    assert paid_bodies(stub)[-1]["inputImage"] == AT_PROVIDER


@pytest.mark.parametrize("paid", [None, (200, {"code": 451, "msg": "no", "data": {"taskId": "t"}})])
def test_unknown_outcome_is_never_followed_by_a_hand_over(
    ctx: Context, client: Client, stub: Stub, paid: Any
) -> None:
    stub.answer = answer(paid=paid)
    job_id = edit(client, succeed(ctx))
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED
    assert len(paid_bodies(stub)) == 1


def test_foreign_url_that_could_not_be_fetched_fails_the_job(
    ctx: Context, client: Client, stub: Stub
) -> None:
    stub.answer = answer(paid=kie_refused(451))
    job_id = edit(client, "https://a.example/0.png")
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
