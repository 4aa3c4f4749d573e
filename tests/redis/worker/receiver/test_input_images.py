"""Input images at the receiver: served under a signed URL while it lives, and nothing else."""

import time

import pytest
import requests

from imagequeue.config.settings import Settings
from imagequeue.jobs.tokens import build_image_url, make_token
from imagequeue.worker.context import Context
from support.worker.downloads import folder_of, make_image

PNG = make_image("PNG")
NAME = "uploads/upload_01KA0000000000000000000000.png"


def url_of(settings: Settings, name: str = NAME, lives_s: int = 60) -> str:
    return build_image_url("", settings.signing_secrets, name, int(time.time()) + lives_s)


@pytest.fixture(autouse=True)
def _stored(ctx: Context) -> None:
    path = folder_of(ctx) / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(PNG)


def test_signed_url_leads_to_the_image(receiver: str, settings: Settings) -> None:
    found = requests.get(receiver + url_of(settings), timeout=10)
    assert (found.status_code, found.content) == (200, PNG)
    assert found.headers["content-type"] == "image/png"
    assert found.headers["x-content-type-options"] == "nosniff"
    head = requests.head(receiver + url_of(settings), timeout=10)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(PNG)))


def test_image_may_have_any_name_of_a_template(
    receiver: str, ctx: Context, settings: Settings
) -> None:
    name = "cats & dogs/café 7+8 (new)=1;2.png"
    (folder_of(ctx) / "cats & dogs").mkdir()
    (folder_of(ctx) / name).write_bytes(PNG)
    url = url_of(settings, name)
    assert url.isascii()
    assert " " not in url
    assert requests.get(receiver + url, timeout=10).content == PNG


def test_every_other_url_is_404(receiver: str, settings: Settings) -> None:
    valid = url_of(settings)
    _, _, expires, token, _ = valid.split("/", 4)
    secret = settings.signing_secrets[0]
    for url in (
        url_of(settings, lives_s=0),
        url_of(settings, "uploads/upload_01KA0000000000000000000001.png"),
        valid.replace(expires, str(int(expires) + 1)),
        valid.replace(expires, "9" * 5000),
        valid.replace(expires, "soon"),
        valid.replace(NAME, "job_01KA0000000000000000000000/0.png"),
        valid.replace(token, token[:-1]),
        valid.replace(token, make_token(secret, expires, NAME)),
        valid.replace(token, "%C3%A9"),
        "/uploads",
        f"/{NAME}",
    ):
        assert requests.get(receiver + url, timeout=10).status_code == 404, url
    assert requests.post(receiver + valid, timeout=10).status_code == 405
