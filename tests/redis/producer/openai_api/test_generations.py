"""Images for programs that use OpenAI's SDK: generated, answered, and refused in its form."""

import base64
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from imagequeue.jobs.job import Reason, utc_now
from imagequeue.jobs.tokens import sign_result
from imagequeue.worker.context import Context
from support.jobs import queued
from support.openai_api import PNG, ending, fail, finish
from support.worker.downloads import make_image

JPEG = make_image("JPEG")
CAT: dict[str, Any] = {"model": "kie-flux-kontext", "prompt": "a cat"}
CODES = {
    Reason.POLICY: (400, "content_policy_violation"),
    Reason.BAD_INPUT: (400, "bad_input"),
    Reason.PROVIDER: (502, "provider_error"),
    Reason.UNCONFIRMED: (502, "provider_unconfirmed"),
    Reason.CREDIT: (503, "provider_credit"),
}


def test_image_has_a_url_that_needs_no_key_and_its_bytes(sdk: OpenAI, ctx: Context) -> None:
    with ending(ctx) as jobs:
        answer = sdk.images.generate(**CAT, size="1024x1024", quality="auto", user="u-7")
    (image,) = answer.data or ()
    assert base64.b64decode(image.b64_json or "") == PNG
    fetched = requests.get(image.url or "", timeout=30)
    assert (fetched.content, fetched.headers["content-type"]) == (PNG, "image/png")
    job = ctx.store.get(jobs[0])
    assert (job.params, job.metadata) == ({"aspect_ratio": "1:1"}, {"user": "u-7"})
    assert (job.submitted_by, answer.model_dump()["job"]) == ("shop", job.id)


@pytest.mark.parametrize(("form", "other"), [("url", "b64_json"), ("b64_json", "url")])
def test_response_format_leaves_the_other_out(
    sdk: OpenAI, ctx: Context, form: Any, other: str
) -> None:
    with ending(ctx):
        answer = sdk.images.generate(**CAT, response_format=form)
    (image,) = answer.data or ()
    assert getattr(image, form)
    assert getattr(image, other) is None


@pytest.mark.parametrize("change", [{"n": "1"}, {"expires": "9999999999"}, {"signature": "0"}])
def test_url_is_valid_for_its_image_and_time_alone(
    sdk: OpenAI, ctx: Context, change: dict[str, str]
) -> None:
    with ending(ctx, lambda ctx, job: finish(ctx, job, PNG, PNG)):
        answer = sdk.images.generate(**CAT)
    url = (answer.data or [])[0].url or ""
    path, _, query = url.partition("?")
    fields = dict(each.split("=") for each in query.split("&")) | change
    path = path.removesuffix("0") + fields.pop("n", "0")
    assert requests.get(path, params=fields, timeout=30).status_code == 404


def test_url_ends(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    finish(ctx, job_id)
    secrets, now = ctx.settings.signing_secrets, int(utc_now().timestamp())
    for expires, status in ((now + 60, 200), (now - 60, 404)):
        signature = sign_result(secrets, job_id, 0, expires)
        url = f"{site}/v1/images/{job_id}/files/0?expires={expires}&signature={signature}"
        assert requests.get(url, timeout=30).status_code == status


def test_images_that_are_no_results_are_left_out(sdk: OpenAI, ctx: Context) -> None:
    with ending(ctx, lambda ctx, job: finish(ctx, job, JPEG, PNG, origins=1)):
        (image,) = sdk.images.generate(**CAT).data or ()
    assert base64.b64decode(image.b64_json or "") == PNG
    assert requests.get(image.url or "", timeout=30).content == PNG


def test_n_images_of_a_model_without_a_count_are_n_jobs(sdk: OpenAI, ctx: Context) -> None:
    with ending(ctx) as jobs:
        answer = sdk.images.generate(**CAT, n=3)
    assert (len(jobs), len(answer.data or ())) == (3, 3)
    assert answer.model_dump()["id"].startswith("batch_")


def test_images_of_the_jobs_that_succeeded_are_answered(sdk: OpenAI, ctx: Context) -> None:
    ends = iter([fail, finish])
    with ending(ctx, lambda ctx, job: next(ends)(ctx, job)):
        answer = sdk.images.generate(**CAT, n=2)
    assert len(answer.data or ()) == 1
    assert "the provider's words" in answer.model_dump()["errors"][0]["message"]


def test_n_images_of_a_model_with_a_count_are_one_job(sdk: OpenAI, ctx: Context) -> None:
    extra = {"params": {"size": "16:9"}, "metadata": {"order": 7}, "priority": "low"}
    with ending(ctx, lambda ctx, job: finish(ctx, job, PNG, PNG)) as jobs:
        answer = sdk.images.generate(
            model="acedata-flux", prompt="a cat", n=2, quality="standard", extra_body=extra
        )
    assert len(answer.data or ()) == 2
    job = ctx.store.get(jobs[0])
    assert (job.params, job.metadata, job.priority) == (
        {"size": "16:9", "count": 2},
        {"order": 7},
        "low",
    )


@pytest.mark.parametrize("reason", CODES)
def test_failed_job_is_an_error_that_the_sdk_does_not_repeat(
    sdk: OpenAI, ctx: Context, reason: Reason
) -> None:
    with (
        ending(ctx, lambda ctx, job: fail(ctx, job, reason)) as jobs,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        sdk.images.generate(**CAT)
    assert (caught.value.status_code, caught.value.code) == CODES[reason]
    assert "the provider's words" in caught.value.message
    assert jobs[0] in caught.value.message
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(jobs) == 1


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"size": "1792x1024"}, "size", "the model takes 21:9, 16:9"),
        ({"quality": "high"}, "quality", "no such parameter"),
        ({"output_format": "webp"}, "output_format", "'jpeg' or 'png'"),
        ({"n": 11}, "n", "less than or equal to 10"),
        ({"prompt": " "}, "prompt", "must not be empty"),
        ({"stream": True}, "stream", "False"),
        ({"extra_body": {"params": {"watermark": 7}}}, "watermark", "valid string"),
        ({"extra_body": {"aspectratio": "1:1"}}, "aspectratio", "did you mean aspect_ratio"),
        ({"extra_body": {"webhook_url": "x"}}, "webhook_url", "http"),
    ],
)
def test_field_that_cannot_be_used_is_named(
    sdk: OpenAI, ctx: Context, fields: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.generate(**{**CAT, **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert words in caught.value.message
    assert not ctx.store.list().jobs


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("kie/nano-banana2", "did you mean kie/nano-banana-2 or"),
        ("gpt-image-1", "did you mean acedata/gpt-image-1 or"),
        ("kie", "name one of its models, such as kie/"),
        ("openai-images", "openai-images/MODEL"),
        ("dall-e-9", "GET /v1/models"),
    ],
)
def test_unknown_model_is_404_with_the_nearest_names(sdk: OpenAI, model: str, words: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.images.generate(model=model, prompt="a cat")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert words in caught.value.message


def test_model_that_only_edits_is_refused_by_its_name(sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="does not generate") as caught:
        sdk.images.generate(model="kie/seedream/4.5-edit", prompt="a cat")
    assert caught.value.param == "model"


def test_wrong_key_is_an_authentication_error(site: str) -> None:
    with (
        OpenAI(base_url=f"{site}/v1", api_key="wrong") as sdk,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        sdk.images.generate(**CAT)
    assert caught.value.code == "invalid_api_key"


def test_models_are_listed(sdk: OpenAI) -> None:
    names = {each.id: each.owned_by for each in sdk.models.list()}
    assert names["kie/nano-banana-2"] == "kie"
    assert names["acedata/flux-kontext-pro"] == "acedata"
    assert names["kie-flux-kontext"] == "kie-flux-kontext"
