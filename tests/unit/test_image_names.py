"""Names of images by a template: refused at acceptance if an image could not have one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError, InvalidRequestError
from imagequeue.image_names import MAX_NAME_BYTES, MAX_PART_BYTES, check_template
from imagequeue.jobs.build import build_job
from imagequeue.jobs.image import Image
from imagequeue.jobs.image_name import build_image_name, put_suffix
from imagequeue.jobs.job import Job, utc_now
from imagequeue.providers.request import parse_request
from imagequeue.storage.base import require_safe_name

KEYS = {"kie_api_key": "k", "acedata_api_key": "a", "secret_key": "s"}
METADATA = {"sku": "A 7", "n": 7, "paid": True, "none": None, "list": [1], "a.b": "x"}
OTHER = "job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"


def accept(
    template: str | None, metadata: dict[str, Any] = METADATA, setting: str = "", **fields: Any
) -> Job:
    request = {"provider": "kie-flux-kontext", "prompt": "a hat", **fields}
    if template is not None:
        request["image_name"] = template
    settings = read_settings(alone=True, **KEYS, image_name=setting)
    return build_job(settings, parse_request({**request, "metadata": metadata}), utc_now())


def name(job: Job, index: int = 0, extension: str = "png", **fields: Any) -> str:
    at = {"source_url": "https://a.example/0.png", "expires_at": utc_now()}
    return build_image_name(job, Image(index=index, **at, **fields), extension)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{metadata.sku}/{index}.{ext}", "A 7/1.png"),
        ("{metadata.sku}", "A 7-2.png"),
        ("{metadata.sku}.{ext}", "A 7-2.png"),
        ("cats/{provider}_{model}_{kind}-{index}", "cats/kie-flux-kontext_default_result-1.png"),
        ("{batch}/{metadata.n}/{metadata.paid}/{metadata.a.b}/{index}", "no-batch/7/true/x/1.png"),
        ("{ext}/{index}", "png/1.png"),
        ("café/{index}.{ext}", "café/1.png"),
    ],
)
def test_template_makes_the_name(template: str, expected: str) -> None:
    assert name(accept(template), index=1) == expected


def test_template_knows_the_job_and_its_day() -> None:
    job = accept("{date}/{job}/{index}.{ext}", params={"model": "flux-kontext-max"})
    assert name(job) == f"{job.created_at:%Y-%m-%d}/{job.id}/0.png"
    assert name(accept("{model}", params={"model": "flux-kontext-max"})) == "flux-kontext-max.png"


def test_name_without_a_template_is_in_the_folder_of_the_job() -> None:
    job = accept(None)
    assert (job.image_name, name(job, 2, "webp")) == (None, f"{job.id}/2.webp")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a/b\\c", "a-b-c.png"),
        ("../../etc", "-..-etc.png"),
        ("...x..", "x.png"),
        ("a\nb\0c\x1b", "a-b-c-.png"),
        ("C:\\x?*", "C--x--.png"),
        ("{job}", "-job-.png"),
        ("e\u0301", "\xe9.png"),
        ("\ud800", "-.png"),
        ("日本", "日本.png"),
    ],
)
def test_value_is_made_safe(value: str, expected: str) -> None:
    job = accept("{metadata.x}", {"x": "y"}).model_copy(update={"metadata": {"x": value}})
    assert name(job) == expected


@given(st.text(min_size=1, max_size=40), st.text(max_size=10))
def test_no_value_leads_out_of_its_folder(value: str, other: str) -> None:
    job = accept("a/{metadata.x}_{metadata.y}/{index}", {"x": "x", "y": "y"})
    job = job.model_copy(update={"metadata": {"x": value, "y": other}})
    made = name(job)
    require_safe_name(made)
    assert made == f"{job.id}/0.png" or (made.startswith("a/") and made.count("/") == 2)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{sku}/{index}", "unknown field {sku}; known: job"),
        ("{indx}", "did you mean index?"),
        ("{metadata.}/{index}", "unknown field"),
        ("{}", "unknown field"),
        ("{metadata.gone}", "needs gone in metadata, which is missing"),
        ("{metadata.none}", "which is missing"),
        ("{metadata.list}", "needs text or a number"),
        ("../{index}", "dot"),
        ("a/../{index}", "dot"),
        (".hidden/{index}", "dot"),
        ("/srv/{index}", "relative path"),
        ("a//{index}", "relative path"),
        ("a/", "relative path"),
        ("a\\{index}", "must not contain"),
        ("C:{index}", "must not contain"),
        ("a?{index}", "must not contain"),
        ("{index", "must not contain"),
        ("{{index}}", "must not contain"),
        ("a\n{index}", "printable"),
        ("a\0{index}", "printable"),
        ("", "printable"),
        ("uploads/{index}", "reserved"),
        ("UPLOADS/{index}", "reserved"),
        (f"{OTHER}/{{index}}", "another job"),
        (f"{OTHER.lower()}/{{index}}", "another job"),
        ("x" * (MAX_PART_BYTES + 1), "more than"),
        ("{index}/" + "/".join(["é" * 90] * 4), "more than"),
        ("x" * 501, "500"),
    ],
)
def test_template_that_makes_no_safe_name_is_refused(template: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        accept(template)
    (problem,) = refused.value.problems
    assert problem.field == "image_name"
    assert words in problem.message


@pytest.mark.parametrize("value", ["", " ", "..", "x" * 300, OTHER, "uploads"])
def test_value_that_makes_no_safe_name_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequestError, match="image_name"):
        accept("{metadata.x}/{index}", {"x": value})


def test_name_is_checked_for_every_fallback() -> None:
    long = {"provider": "acedata", "params": {"model": "m" * 300, "unchecked": True}}
    long["params"] |= {"service": "nano-banana"}  # type: ignore[operator]
    with pytest.raises(InvalidRequestError, match="more than"):
        accept("{model}", fallback=[long])


def test_setting_names_images_and_a_request_goes_before_it() -> None:
    setting = "{metadata.sku}/{index}"
    assert name(accept(None, setting=setting)) == "A 7/0.png"
    assert name(accept("b/{index}", setting=setting)) == "b/0.png"
    with pytest.raises(InvalidRequestError, match="IMAGEQUEUE_IMAGE_NAME needs sku in metadata"):
        accept(None, {}, setting=setting)
    with pytest.raises(ConfigError, match="IMAGE_NAME: unknown field"):
        accept(None, setting="{sku}")


def test_id_of_the_job_fits_behind_the_longest_name() -> None:
    job = accept("x" * (MAX_PART_BYTES - len(".webp")))
    longest = put_suffix(name(job, 63, "webp"), job.id)
    assert len(longest.encode()) <= 255
    assert MAX_NAME_BYTES + 255 < 1024


@pytest.mark.parametrize("template", ["{job}/{index}.{ext}", "{metadata.sku}"])
def test_valid_template_is_returned_unchanged(template: str) -> None:
    assert check_template(template) == template
