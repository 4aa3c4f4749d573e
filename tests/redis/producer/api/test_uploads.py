"""Files as input images: uploaded once, and named by their URL in the job."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue.config.settings import read_settings
from imagequeue.producer import uploads
from imagequeue.producer.local.up import Options, _build_sandbox_settings
from imagequeue.providers.kie.account import KieAccount
from support.cli import imagequeue
from support.sandbox import Sandbox
from support.uploads import CAT, EDIT, PNG, UPLOADED, URL, client_of


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PAUSES_S", (0, 0, 0))


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(CAT)
    return path


@pytest.mark.parametrize("provider", ["kie-flux-kontext", "kie-midjourney"])
@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\n\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_file_is_uploaded_and_job_has_its_url(
    overrides: dict[str, str],
    sandbox: Sandbox,
    cat: Path,
    provider: str,
    head: bytes,
    media_type: str,
) -> None:
    cat.write_bytes(head + CAT)
    client = client_of(overrides, sandbox.url)
    job = client.submit(provider, "add a hat", action="edit", image=cat)
    (url,) = client.get(job.id).image_urls
    found = requests.get(url, timeout=10)
    assert (found.content, found.headers["Content-Type"]) == (head + CAT, media_type)


def test_files_of_one_name_are_not_overwritten(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    client = client_of(overrides, sandbox.url)
    (first,) = client.submit("kie-midjourney", "a hat", action="edit", image=[cat]).image_urls
    cat.write_bytes(PNG)
    client.submit("kie-midjourney", "a hat", action="edit", image=[str(cat)])
    assert requests.get(first, timeout=10).content == CAT


def test_cli_keeps_the_order_of_urls_and_files(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    images = ["--image=HTTPS://example.com/a.png", "--image=cat.png", f"--image={URL}"]
    ran = imagequeue(
        *("submit", "kie-midjourney", "add a hat", "--action=edit", *images, "--json"),
        settings={**overrides, "kie_upload_url": sandbox.url},
    )
    assert (ran.status, ran.err) == (0, "")
    first, uploaded, last = json.loads(ran.out)["image_urls"]
    assert (first, last) == ("HTTPS://example.com/a.png", URL)
    assert requests.get(uploaded, timeout=10).content == CAT


def test_batch_uploads_the_files_of_its_lines(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    images = [{"image": "cat.png"}, {"image": [URL]}, {"image_urls": [URL]}]
    lines = "\n".join(json.dumps({**EDIT, **image}) for image in images)
    settings = {**overrides, "kie_upload_url": sandbox.url}
    ran = imagequeue("batch", "-", "--json", settings=settings, stdin=lines)
    (uploaded,), *others = (json.loads(line)["image_urls"] for line in ran.out.splitlines())
    assert requests.get(uploaded, timeout=10).content == CAT
    assert others == [[URL], [URL]]


def test_largest_file_is_accepted(overrides: dict[str, str], stub: Any, cat: Path) -> None:
    os.truncate(cat, 10 * 1024 * 1024)
    stub.answer = lambda *_: (200, UPLOADED)
    assert client_of(overrides, stub.url).submit(**EDIT, image=cat).image_urls == (URL,)
    assert len(stub.posts[0]) > 10 * 1024 * 1024


def test_temporary_failure_is_retried_unchanged(
    overrides: dict[str, str], stub: Any, cat: Path
) -> None:
    answers = [(503, b"<html>"), None, (200, {"code": 429, "msg": "slow"}), (200, UPLOADED)]
    stub.answer = lambda *_: answers.pop(0)
    job = client_of(overrides, stub.url).submit(**EDIT, image=cat)
    assert (job.image_urls, len(stub.posts), len(set(stub.posts))) == ((URL,), 4, 1)
    method, path, body = stub.asked[0]
    assert (method, path) == ("POST", "/api/file-stream-upload")
    assert b'name="uploadPath"\r\n\r\nimages/imagequeue\r\n' in body
    assert CAT in body


def test_netrc_does_not_replace_the_key(
    overrides: dict[str, str],
    sandbox: Sandbox,
    cat: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert client_of(overrides, sandbox.url).submit(**EDIT, image=cat).image_urls


def test_up_with_sandbox_uploads_to_it() -> None:
    settings = read_settings(**_build_sandbox_settings(Options(sandbox_port=9000)))
    assert settings.account(KieAccount).upload_url == "http://127.0.0.1:9000"
