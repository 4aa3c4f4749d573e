"""A job and its images in one form: both are accepted, or nothing is stored."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from imagequeue.jobs.job import State
from imagequeue.store import keys
from imagequeue.store.images import keys as image_keys
from imagequeue.store.images.uploads import Uploads
from imagequeue.worker.context import Context
from support.callers import Ask
from support.worker.downloads import files as stored_files
from support.worker.downloads import make_image

PNG, JPEG = make_image("PNG"), make_image("JPEG")
URL = "https://a.example/first.png"
EDIT = {
    "provider": "kie",
    "action": "edit",
    "prompt": "a hat",
    "params": {"model": "nano-banana-2"},
}
Parts = list[tuple[str, Any]]


@pytest.fixture
def overrides(overrides: dict[str, str]) -> dict[str, str]:
    return {**overrides, "public_url": "https://queue.example"}


def form(request: Any = EDIT, *images: bytes) -> Parts:
    """The parts of a form; a part without a file name is a text."""
    text = request if isinstance(request, str) else json.dumps(request)
    return [("request", (None, text)), *(("image", ("a.png", each)) for each in images)]


def send(ask: Ask, parts: Parts, caller: str = "shop", **headers: str) -> Any:
    return ask(caller, "POST", "/v1/jobs", files=parts, headers=headers)


@pytest.fixture
def new_files(ctx: Context) -> Callable[[], int]:
    """Returns how many files were stored in this test: the folder is that of all."""
    before = len(stored_files(ctx))
    return lambda: len(stored_files(ctx)) - before


@pytest.fixture
def is_empty(ctx: Context, new_files: Callable[[], int]) -> Callable[[], bool]:
    """Returns whether neither a job nor an upload is stored."""
    names = (image_keys.UPLOADS, keys.index(State.QUEUED))
    return lambda: not (ctx.store.redis.exists(*names) or new_files())


def test_images_of_a_form_follow_the_urls_of_its_request(ask: Ask, ctx: Context) -> None:
    answer = send(ask, form({**EDIT, "image_urls": [URL]}, PNG, JPEG))
    assert answer.status_code == 202, answer.text
    job = ctx.store.get(answer.json()["id"])
    assert job.image_urls[0] == URL
    uploads = Uploads(ctx.store.redis).get_many(job.image_urls[1:])
    assert [each.content_type for each in uploads] == ["image/png", "image/jpeg"]
    assert {each.submitted_by for each in uploads} == {"shop"}


def test_request_of_a_form_may_be_a_file(ask: Ask) -> None:
    request = ("request", ("blob", json.dumps(EDIT), "application/json"))
    assert send(ask, [*form(EDIT, *[PNG] * 14)[1:], request]).status_code == 202


def test_form_without_images_is_a_request_like_any_other(ask: Ask) -> None:
    answer = send(ask, form({"provider": "kie-flux-kontext", "prompt": "a cat"}))
    assert (answer.status_code, answer.json()["image_urls"]) == (202, [])


def test_repeated_form_returns_the_job_and_stores_its_images_once(
    ask: Ask, ctx: Context, new_files: Callable[[], int]
) -> None:
    key = {"Idempotency-Key": "order-7"}
    first, again = (send(ask, form(EDIT, PNG, JPEG), **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]
    assert new_files() == 2
    job = ctx.store.get(first.json()["id"])
    assert len(Uploads(ctx.store.redis).get_many(job.image_urls)) == 2
    other = send(ask, form(EDIT, JPEG, PNG), **key)
    assert (other.status_code, new_files()) == (409, 2)


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        (form("no JSON", PNG), 400, "request: the part is not JSON"),
        (form("[" * 50_000, PNG), 400, "request: the part is not JSON"),
        (form([], PNG), 422, "request: must be a JSON object"),
        (form({**EDIT, "image_urls": URL}, PNG), 422, "image_urls: must be"),
        (form({**EDIT, "image_urls": [URL] * 64}, PNG), 422, "image_urls"),
        (form({**EDIT, "size": 1}, PNG), 422, "size: unknown field"),
        (form({**EDIT, "prompt": ""}, PNG), 422, "prompt"),
        (form({**EDIT, "action": "generate"}, PNG), 422, "image_urls"),
        (form(EDIT, PNG)[1:], 422, "request: give exactly one"),
        (form(EDIT, PNG) + form(EDIT), 422, "request: give exactly one"),
        ([*form(EDIT, PNG), ("mask", ("m.png", PNG))], 422, "mask: unknown part"),
        ([*form(EDIT, PNG), ("prompt", (None, "a hat"))], 422, "prompt: unknown part"),
        (form(EDIT, PNG, b"<html></html>"), 422, "image.1: the file is a web page"),
        (form(EDIT, PNG, PNG + bytes(30 * 1024 * 1024)), 413, "image.1: a file may have"),
        (form(EDIT, *[PNG] * 17), 422, "image: give at most 16 files"),
        (form(EDIT, *[PNG] * 18), 400, "Too many files"),
        (form(EDIT, PNG) + form(EDIT) * 8, 400, "Too many fields"),
        ([("request", ("r", b"\xff"))], 400, "request: the text is not UTF-8"),
    ],
)
def test_form_that_is_refused_stores_nothing(
    ask: Ask, is_empty: Callable[[], bool], parts: Parts, status: int, words: str
) -> None:
    answer = send(ask, parts)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert is_empty()


def test_image_of_a_form_beyond_a_bound_of_the_model_is_refused(
    ask: Ask, is_empty: Callable[[], bool]
) -> None:
    background = {"provider": "kie", "action": "edit", "params": {"model": BACKGROUND}}
    answer = send(ask, form(background, PNG))
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, "image_urls.0")
    assert is_empty()


BACKGROUND = "recraft/remove-background"


def test_form_needs_a_key(ask: Ask, site: str, is_empty: Callable[[], bool]) -> None:
    assert ask("shop", "GET", "/v1/jobs").status_code == 200  # there are keys
    answer = requests.post(f"{site}/v1/jobs", files=form(EDIT, PNG), timeout=30)
    assert answer.status_code == 401
    assert is_empty()


def test_larger_bodies_are_for_forms_alone(ask: Ask) -> None:
    text = json.dumps({**EDIT, "metadata": {"x": "y" * 1_100_000}})
    headers = {"Content-Type": "application/json"}
    assert ask("shop", "POST", "/v1/jobs", data=text, headers=headers).status_code == 413
    assert send(ask, form(text, PNG)).status_code in (400, 413)
