"""Edits of images that come in a form, as OpenAI's SDK sends it."""

import io
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from imagequeue.jobs.job import Job, utc_now
from imagequeue.producer.api.listeners import Listeners
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.images import keys as image_keys
from imagequeue.store.images.uploads import Uploads
from imagequeue.worker.context import Context
from support.openai_api import KEY, PNG, ending
from support.worker.downloads import make_image

JPEG = make_image("JPEG")
HAT: dict[str, Any] = {"model": "openai-images/gpt-image-2", "prompt": "a hat"}


def only_job(ctx: Context) -> Job:
    (job,) = ctx.store.list().jobs
    return job


def count_uploads(ctx: Context) -> int:
    return int(ctx.store.redis.zcard(image_keys.UPLOADS))


def test_one_image_is_edited(sdk: OpenAI, ctx: Context) -> None:
    with ending(ctx):
        answer = sdk.images.edit(
            **HAT,
            image=io.BytesIO(PNG),
            n=2,
            size="1536x1024",
            output_compression=80,
            extra_body={
                "params": {"extra": {"seed": 7}},
                "metadata": {"order": "7"},
                "priority": "low",
            },
        )
    assert answer.data
    job = only_job(ctx)
    assert (job.action, job.prompt, job.priority, job.metadata) == (
        "edit",
        "a hat",
        "low",
        {"order": "7"},
    )
    assert job.params["n"] == 2
    (upload,) = Uploads(ctx.store.redis).get_many(job.image_urls)
    assert (upload.content_type, upload.submitted_by) == ("image/png", "shop")


def test_several_images_and_a_mask_are_edited(sdk: OpenAI, ctx: Context) -> None:
    images = [("a.png", PNG), ("b.jpg", JPEG)]
    with ending(ctx):
        assert sdk.images.edit(**HAT, image=images, mask=("m.png", PNG)).data
    job = only_job(ctx)
    uploads = Uploads(ctx.store.redis).get_many(job.image_urls)
    assert [each.content_type for each in uploads] == ["image/png", "image/jpeg"]
    (mask,) = Uploads(ctx.store.redis).get_many([job.params["mask_url"]])
    assert mask.bytes == len(PNG)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"image": ("a.txt", b"no image")}, "image", "PNG"),
        ({"model": "kie-flux-kontext", "mask": ("m.png", PNG)}, "mask", "takes no mask"),
        ({"image": [("a.png", PNG), ("b.jpg", JPEG)], "model": "kie-flux-kontext"}, "image", "1"),
        ({"n": "two"}, "n", "valid integer"),
        ({"model": "kie/z-image"}, "model", "does not edit"),
    ],
)
def test_field_that_cannot_be_used_is_named(
    sdk: OpenAI, ctx: Context, fields: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.edit(**{"image": ("a.png", PNG), **HAT, **fields})
    assert (caught.value.param, words in caught.value.message) == (param, True), caught.value
    assert not ctx.store.list().jobs
    assert not count_uploads(ctx)


def test_edits_beyond_the_limit_of_the_key_store_no_file(site: str, ctx: Context) -> None:
    secret = ApiKeys(ctx.store.redis).add("limited", Limits(per_minute=3), utc_now())
    edit = {"image": ("a.png", PNG), "model": "kie-flux-kontext", "prompt": "a hat"}
    with OpenAI(base_url=f"{site}/v1", api_key=secret, max_retries=0) as sdk:
        with ending(ctx):
            assert sdk.images.edit(**edit, n=2).data
        stored = count_uploads(ctx)
        # The first is one image too many, and what it counts leaves nothing to the second.
        for images in (2, 1):
            with pytest.raises(openai.RateLimitError):
                sdk.images.edit(**edit, n=images)
    assert (stored, count_uploads(ctx)) == (1, 1)


def test_edit_that_cannot_wait_leaves_no_file(sdk: OpenAI, ctx: Context) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Listeners, "count", lambda _: 10**6)
        with pytest.raises(openai.InternalServerError):
            sdk.images.edit(image=("a.png", PNG), **HAT)
    assert not count_uploads(ctx)


def test_edit_that_is_sent_again_is_known_by_its_files(site: str, ctx: Context) -> None:
    def post(image: bytes, retry: int) -> str:
        headers = {
            "Authorization": f"Bearer {KEY}",
            "Prefer": "wait=0",
            "x-stainless-retry-count": str(retry),
        }
        files = {"image": ("a.png", image), "mask": ("m.png", PNG)}
        url = f"{site}/v1/images/edits"
        answer = requests.post(url, data=HAT, files=files, headers=headers, timeout=30)
        assert answer.status_code == 503, answer.text
        return str(answer.json()["error"]["job"])

    first = post(PNG, 0)
    assert post(PNG, 1) == first
    assert post(JPEG, 1) != first


@pytest.mark.parametrize(
    ("options", "status", "param"),
    [
        ({"json": HAT}, 415, None),
        ({"files": {"prompt": (None, "a hat")}}, 400, "model"),
        ({"data": HAT, "files": {"other": ("a.png", PNG)}}, 400, "other"),
        ({"data": HAT, "files": {"x": (None, "")}}, 400, "image"),
    ],
)
def test_form_without_an_edit_is_refused(
    site: str, options: dict[str, Any], status: int, param: str | None
) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = requests.post(f"{site}/v1/images/edits", headers=headers, timeout=30, **options)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
