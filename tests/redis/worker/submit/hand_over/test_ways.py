"""The ways in which a provider is handed an upload, before it is paid."""

import json
from urllib.parse import urlsplit

import pytest
import requests

from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.job import State, utc_now
from imagequeue.jobs.upload import Upload
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.application import create_app
from imagequeue.worker.submit import submit
from support.asgi import serving
from support.clock import Clock
from support.sandbox import Sandbox
from support.stub import Stub
from support.worker.account_keys import bearers, change, pause
from support.worker.hand_overs import (
    ACEDATA,
    AT_PROVIDER,
    OPENAI,
    PNG,
    UNKNOWN,
    UPLOAD_PATH,
    answer,
    edit,
    paid_bodies,
    succeed,
)


def test_upload_is_sent_to_the_upload_api_of_the_provider(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload
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


def test_upload_is_a_part_of_the_form_of_a_provider_that_takes_files(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload
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
        submit(ctx, edit(LocalClient(ctx.settings, now=ctx.now), upload.id, **ACEDATA))
        (paid,) = paid_bodies(stub)
        assert requests.get(paid["image_url"], timeout=10).content == PNG
    _, _, expires, _, name = urlsplit(paid["image_url"]).path.split("/", 4)
    assert name == f"uploads/{upload.id}.png"
    assert int(expires) == int(ctx.now().timestamp()) + 86_400


def test_sandbox_gets_the_upload_of_a_job(
    ctx: Context, upload: Upload, overrides: dict[str, str], sandbox: Sandbox
) -> None:
    change(ctx, overrides, kie_base_url=sandbox.url, kie_upload_url=sandbox.url)
    job_id = edit(LocalClient(ctx.settings, now=ctx.now), upload.id)
    submit(ctx, job_id)
    params = {"taskId": ctx.store.get(job_id).task_id}
    record = sandbox.get("/api/v1/flux/kontext/record-info", params=params, key="a kie key")
    given = json.loads(record.json()["data"]["paramJson"])["inputImage"]
    assert requests.get(given, timeout=10).content == PNG


def test_image_is_uploaded_with_the_key_that_pays(
    ctx: Context, stub: Stub, upload: Upload, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, kie_api_keys="spare:another key")
    pause(ctx, "main")
    stub.answer = answer()
    submit(ctx, edit(LocalClient(ctx.settings, now=ctx.now), upload.id))
    assert bearers(stub) == ["another key"] * 2


def test_upload_in_a_parameter_is_handed_over_as_an_input_is(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload
) -> None:
    params = {**OPENAI["params"], "mask_url": upload.id}
    submit(ctx, edit(client, upload.id, **{**OPENAI, "params": params}))
    ((_, _, form),) = stub.asked
    assert b'name="mask"; filename=' in form
    assert form.count(PNG) == 2
    stub.asked.clear()
    stub.answer = answer()
    params = {"model": "qwen2-1/image-to-image", "mask_url": upload.id}
    job_id = edit(client, "https://a.example/0.png", provider="kie", params=params)
    submit(ctx, job_id)
    (paid,) = paid_bodies(stub)
    assert paid["input"]["mask_url"] == AT_PROVIDER
    assert ctx.store.get(job_id).params["mask_url"] == upload.id


def test_unknown_upload_in_a_parameter_is_refused(client: LocalClient) -> None:
    params = {**OPENAI["params"], "mask_url": UNKNOWN}
    with pytest.raises(InvalidRequestError, match=f"{UNKNOWN}, which is no upload of yours"):
        edit(client, "https://a.example/0.png", **{**OPENAI, "params": params})
