"""Files that cannot be uploaded: refused before any upload, or reported with what to change."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue.config.settings import Settings
from imagequeue.errors import InvalidRequestError
from imagequeue.producer import uploads
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.ports import free_port
from imagequeue.producer.uploads import UploadError
from imagequeue.worker.context import Context
from imagequeue.worker.create import create
from support.asgi import serving
from support.cli import imagequeue
from support.redis import traces
from support.sandbox import Sandbox
from support.uploads import CAT, EDIT, KEY, PNG, UPLOADED, URL, client_of, problems_of


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PAUSES_S", (0, 0, 0))


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(CAT)
    return path


LOCAL = ({"image": "cat.png"}, {"image_urls": ["cat.png"]}, {"image_urls": ["file:cat.png"]})


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({**EDIT, "image": "dog.png"}, "line 2: image_urls.0: dog.png: No such file"),
        ({**EDIT, "image": 7}, "line 2: image: must be a URL, the path of a file, or a list"),
        ({**EDIT, "image": [URL, 7]}, "line 2: image: must be a URL, the path of a file, or a"),
        ({**EDIT, "image_urls": "x"}, "line 2: image_urls: "),
        ({"provider": "acedata-flux", "prompt": ""}, "line 2: prompt: must not be empty"),
    ],
)
def test_batch_with_an_invalid_line_uploads_nothing(
    overrides: dict[str, str], stub: Any, cat: Path, other: dict[str, Any], words: str
) -> None:
    lines = "\n".join(json.dumps(line) for line in ({**EDIT, "image": "cat.png"}, other))
    settings = {**overrides, "kie_upload_url": stub.url}
    ran = imagequeue("batch", "-", settings=settings, stdin=lines)
    assert (ran.status, words in ran.err) == (2, True)
    assert (stub.asked, traces(overrides["redis_url"])) == ([], [])


def make(name: str) -> None:
    """Create a file that is not an image, by its name."""
    match name:
        case "folder.png":
            Path(name).mkdir()
        case "pipe.png":
            os.mkfifo(name)
        case "empty.png":
            Path(name).touch()
        case "large.png":
            Path(name).write_bytes(PNG)
            os.truncate(name, 10 * 1024 * 1024 + 1)
        case "notes.png":
            Path(name).write_text("a text")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder.png", "folder.png is not a regular file"),
        ("pipe.png", "pipe.png is not a regular file"),
        ("empty.png", "empty.png has 0 bytes; the limits are 1 and 10485760"),
        ("large.png", "large.png has 10485761 bytes; the limits are 1 and 10485760"),
        ("notes.png", "notes.png is not an image: give a PNG, JPEG, WebP or GIF file"),
        ("dog.png", "No such file or directory; give a file, or an http:// or https:// URL"),
        ("ftp://example.com/a.png", "No such file or directory"),
        ("x" * 5000, "File name too long"),
        ("nul\0.png", "null byte"),
        ("", "is not a regular file"),
    ],
)
def test_file_that_is_no_image_is_refused(
    overrides: dict[str, str], stub: Any, name: str, words: str
) -> None:
    make(name)
    with pytest.raises(InvalidRequestError) as refused:
        client_of(overrides, stub.url).submit(**EDIT, image=[name])
    (message,) = problems_of(refused).values()
    assert words in message
    assert (stub.asked, traces(overrides["redis_url"])) == ([], [])


def test_request_is_validated_before_the_upload(
    overrides: dict[str, str], stub: Any, cat: Path
) -> None:
    client = client_of(overrides, stub.url)
    with pytest.raises(InvalidRequestError) as refused:
        client.submit(
            "kie-midjourney", action="edit", image=[cat, "dog.png"], params={"sped": "fast"}
        )
    assert set(problems_of(refused)) == {"prompt", "params.sped", "image_urls.1"}
    with pytest.raises(InvalidRequestError, match="this action takes none"):
        client.submit("kie-flux-kontext", "a cat", image=cat)
    with pytest.raises(InvalidRequestError, match="unknown provider; did you mean kie-midjourney"):
        client.submit("kie-midjourny", "a cat", image=cat)
    with pytest.raises(InvalidRequestError, match="image: takes URLs too: leave image_urls out"):
        client.submit(**EDIT, image=cat, image_urls=[URL])
    assert (stub.asked, traces(overrides["redis_url"])) == ([], [])


def test_provider_without_uploads_refuses_files(
    overrides: dict[str, str], stub: Any, cat: Path
) -> None:
    client = client_of(overrides, stub.url)
    with pytest.raises(InvalidRequestError) as refused:
        client.submit("acedata-flux", "add a hat", action="edit", image=cat)
    advice = (
        "must be an http:// or https:// URL that acedata-flux can fetch, or an id that "
        "`imagequeue upload` printed: it takes no files"
    )
    assert problems_of(refused) == {"image_urls.0": advice}
    job = client.submit("acedata-flux", "add a hat", action="edit", image=URL)
    assert (job.image_urls, stub.asked) == ((URL,), [])


@pytest.mark.parametrize(
    ("answer", "tries", "words"),
    [
        ((500, {"code": 500, "msg": f"no {KEY}"}), 4, "500 no ...; try again later, or check"),
        (None, 4, "no response (ConnectionError); try again later, or check"),
        ((404, {"code": 404, "msg": "No message"}), 1, "404 No message; check"),
        ((200, b"<html>"), 1, "malformed the body is not JSON; check"),
        ((302, b"", {"Location": "/elsewhere"}), 1, "malformed the response has no URL"),
    ],
)
def test_failed_upload_queues_nothing(
    overrides: dict[str, str], stub: Any, cat: Path, answer: Any, tries: int, words: str
) -> None:
    stub.answer = lambda *_: answer
    with pytest.raises(UploadError) as failed:
        client_of(overrides, stub.url, kie_api_key=KEY).submit(**EDIT, image=cat)
    assert str(failed.value).startswith(f"{cat} was not uploaded to {stub.url}: ")
    assert words in str(failed.value)
    assert str(failed.value).endswith("check IMAGEQUEUE_KIE_UPLOAD_URL")
    assert KEY not in str(failed.value)
    assert (len(stub.asked), traces(overrides["redis_url"])) == (tries, [])


def test_file_deleted_after_the_check_is_named(
    overrides: dict[str, str], stub: Any, cat: Path
) -> None:
    stub.answer = lambda *_: cat.unlink() or (200, UPLOADED)
    with pytest.raises(UploadError, match=r"cat\.png: No such file or directory"):
        client_of(overrides, stub.url).submit(
            "kie-midjourney", "two hats", action="edit", image=[cat, cat]
        )
    assert traces(overrides["redis_url"]) == []


def test_unreachable_host_is_named(overrides: dict[str, str], cat: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    options = ("--action=edit", "--image=cat.png")
    settings = {**overrides, "kie_upload_url": away}
    ran = imagequeue("submit", "kie-midjourney", "a hat", *options, settings=settings)
    assert (ran.status, ran.err) == (
        2,
        f"imagequeue: cat.png was not uploaded to {away}: no response (ConnectionError); "
        "try again later, or check IMAGEQUEUE_KIE_UPLOAD_URL\n",
    )
    assert traces(overrides["redis_url"]) == []


def test_wrong_key_is_named_but_not_shown(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    with pytest.raises(UploadError) as failed:
        client_of(overrides, sandbox.url, kie_api_key=f"bad {KEY}").submit(**EDIT, image=cat)
    assert str(failed.value).endswith("the key was refused; check IMAGEQUEUE_KIE_API_KEY")
    assert KEY not in repr(failed.value)
    assert traces(overrides["redis_url"]) == []


def test_wrong_key_of_several_is_named_by_its_setting(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    keys = {"kie_api_key": "", "kie_api_keys": f"first:bad {KEY},second:fine"}
    with pytest.raises(UploadError, match="check IMAGEQUEUE_KIE_API_KEYS"):
        client_of(overrides, sandbox.url, **keys).submit(**EDIT, image=cat)


@pytest.mark.parametrize("image", LOCAL)
def test_outside_request_reads_no_local_file(
    overrides: dict[str, str], stub: Any, ctx: Context, cat: Path, image: dict[str, Any]
) -> None:
    request = {**EDIT, **image}
    stub.answer = lambda *_: (200, UPLOADED)
    client = client_of(overrides, stub.url)
    settings: Settings = client.settings
    with serving(create_app(settings)) as api:
        answer = requests.post(f"{api}/v1/jobs", json=request, timeout=10)
    assert answer.status_code == 422
    words = "unknown field" if "image" in image else "must be an http:// or https:// URL"
    assert words in answer.json()["detail"]
    ways = {
        "celery": lambda: create(ctx, request, "message"),
        "request": lambda: client.submit_request(request),
        "many": lambda: client.submit_many([request]),
        "image_urls": lambda: client.submit(**EDIT, image_urls=["cat.png"]),
    }
    for way in ways.values():
        with pytest.raises(InvalidRequestError):
            way()
    assert (stub.asked, traces(overrides["redis_url"])) == ([], [])
