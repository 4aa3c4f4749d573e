"""Multipart forms: their texts, and their files as uploads, within bounds."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from fastapi import FastAPI, Request

from imagequeue.producer.api import form
from imagequeue.producer.api.form import read_form
from imagequeue.producer.api.problems import install_handlers
from imagequeue.producer.input_images import InputImages
from imagequeue.store.images import keys as image_keys
from imagequeue.store.images.uploads import Uploads
from imagequeue.worker.context import Context
from support.asgi import serving
from support.worker.downloads import make_image

PNG = make_image("PNG")


@pytest.fixture
def site(ctx: Context) -> Iterator[str]:
    app = FastAPI()
    install_handlers(app)
    images = InputImages(ctx.settings, ctx.store.redis, ctx.now)

    @app.post("/form")
    async def read(request: Request) -> Any:
        texts, uploads = await read_form(request, images, "shop", max_files=2, max_fields=2)
        return {"texts": texts, "uploads": [(name, each.id) for name, each in uploads]}

    with serving(app) as url:
        yield f"{url}/form"


def test_form_has_its_texts_and_files_in_order(site: str, ctx: Context) -> None:
    files = [("image[]", ("a.png", PNG)), ("image[]", ("b.jpg", make_image("JPEG")))]
    said = requests.post(site, data={"prompt": "a ü", "n": "2"}, files=files, timeout=30).json()
    assert said["texts"] == [["prompt", "a ü"], ["n", "2"]]
    assert [name for name, _ in said["uploads"]] == ["image[]", "image[]"]
    uploads = Uploads(ctx.store.redis).get_many([upload_id for _, upload_id in said["uploads"]])
    assert [each.content_type for each in uploads] == ["image/png", "image/jpeg"]
    assert {each.submitted_by for each in uploads} == {"shop"}


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"json": {}}, 415, "multipart/form-data"),
        ({"data": {"prompt": "x"}}, 415, "multipart/form-data"),
        ({"data": b"", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"files": {"image": ("a.png", b"<html></html>")}}, 422, "image: the file is a web page"),
        ({"files": [("image", ("a.png", PNG))] * 3}, 400, "2"),
        ({"files": [(name, (None, "x")) for name in "abc"]}, 400, "2"),
        ({"files": {"prompt": (None, "x" * (form.MAX_TEXT_BYTES + 1))}}, 400, "128KB"),
        ({"files": {"image": ("a.png", PNG + bytes(30 * 1024 * 1024))}}, 413, "31457280"),
    ],
)
def test_form_beyond_its_bounds_is_refused_and_stores_nothing(
    site: str, ctx: Context, options: dict[str, Any], status: int, words: str
) -> None:
    answer = requests.post(site, timeout=30, **options)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert words in answer.json()["detail"]
    assert not ctx.store.redis.exists(image_keys.UPLOADS)
