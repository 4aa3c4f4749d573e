"""Files as input images: uploaded where a provider takes them, refused elsewhere, never guessed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import InvalidRequestError
from imagequeue.producer import uploads
from imagequeue.producer.api.application import create_app
from imagequeue.producer.client import Client
from imagequeue.producer.local.ports import free_port
from imagequeue.producer.local.up import Options, _build_sandbox_settings
from imagequeue.producer.uploads import UploadError
from imagequeue.providers.kie.account import KieAccount
from imagequeue.worker.context import Context
from imagequeue.worker.create import create
from support.asgi import serving
from support.cli import imagequeue
from support.redis import traces
from support.sandbox import Sandbox

PNG = b"\x89PNG\r\n\x1a\n"
CAT = PNG + bytes(range(256)) + b"\r\n--cat--\r\n"
URL = "https://example.com/a.png"
EDIT = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "add a hat"}
UPLOADED = {"success": True, "code": 200, "msg": "ok", "data": {"downloadUrl": URL}}
KEY = "a-key-that-must-not-be-seen"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PAUSES_S", (0, 0, 0))


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(CAT)
    return path


def client_of(overrides: Mapping[str, str], url: str, **more: str) -> Client:
    return Client(read_settings(**{**overrides, "kie_upload_url": url, **more}))


def problems_of(error: pytest.ExceptionInfo[InvalidRequestError]) -> dict[str, str]:
    return {problem.field: problem.message for problem in error.value.problems}


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
def test_a_file_is_uploaded_and_the_job_has_its_url(
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


def test_files_of_one_name_do_not_overwrite_each_other(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    client = client_of(overrides, sandbox.url)
    (first,) = client.submit("kie-midjourney", "a hat", action="edit", image=[cat]).image_urls
    cat.write_bytes(PNG)
    client.submit("kie-midjourney", "a hat", action="edit", image=[str(cat)])
    assert requests.get(first, timeout=10).content == CAT


def test_the_command_line_takes_urls_and_files_in_their_order(
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


def test_a_batch_uploads_the_files_of_its_lines(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    images = [{"image": "cat.png"}, {"image": [URL]}, {"image_urls": [URL]}]
    lines = "\n".join(json.dumps({**EDIT, **image}) for image in images)
    settings = {**overrides, "kie_upload_url": sandbox.url}
    ran = imagequeue("batch", "-", "--json", settings=settings, stdin=lines)
    (uploaded,), *others = (json.loads(line)["image_urls"] for line in ran.out.splitlines())
    assert requests.get(uploaded, timeout=10).content == CAT
    assert others == [[URL], [URL]]


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
def test_nothing_of_a_batch_is_uploaded_if_a_line_is_wrong(
    overrides: dict[str, str], stub: Any, cat: Path, other: dict[str, Any], words: str
) -> None:
    lines = "\n".join(json.dumps(line) for line in ({**EDIT, "image": "cat.png"}, other))
    settings = {**overrides, "kie_upload_url": stub.url}
    ran = imagequeue("batch", "-", settings=settings, stdin=lines)
    assert (ran.status, words in ran.err) == (2, True)
    assert (stub.asked, traces(overrides["redis_url"])) == ([], [])


def make(name: str) -> None:
    """Lay down what is no image, by its name."""
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
        ("folder.png", "folder.png is no regular file"),
        ("pipe.png", "pipe.png is no regular file"),
        ("empty.png", "empty.png has 0 bytes, and may have from 1 to 10485760"),
        ("large.png", "large.png has 10485761 bytes, and may have from 1 to 10485760"),
        ("notes.png", "notes.png is no image: give a PNG, JPEG, WebP or GIF file"),
        ("dog.png", "No such file or directory; give a file, or an http:// or https:// URL"),
        ("ftp://example.com/a.png", "No such file or directory"),
        ("x" * 5000, "File name too long"),
        ("nul\0.png", "null byte"),
        ("", "is no regular file"),
    ],
)
def test_what_is_no_image_is_refused_with_its_reason(
    overrides: dict[str, str], stub: Any, name: str, words: str
) -> None:
    make(name)
    with pytest.raises(InvalidRequestError) as refused:
        client_of(overrides, stub.url).submit(**EDIT, image=[name])
    (message,) = problems_of(refused).values()
    assert words in message
    assert (stub.asked, traces(overrides["redis_url"])) == ([], [])


def test_a_file_of_the_largest_size_is_taken(
    overrides: dict[str, str], stub: Any, cat: Path
) -> None:
    os.truncate(cat, 10 * 1024 * 1024)
    stub.answer = lambda *_: (200, UPLOADED)
    assert client_of(overrides, stub.url).submit(**EDIT, image=cat).image_urls == (URL,)
    assert len(stub.posts[0]) > 10 * 1024 * 1024


def test_a_request_is_checked_whole_before_its_file_is_uploaded(
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


def test_a_provider_that_takes_no_files_says_what_to_give(
    overrides: dict[str, str], stub: Any, cat: Path
) -> None:
    client = client_of(overrides, stub.url)
    with pytest.raises(InvalidRequestError) as refused:
        client.submit("acedata-flux", "add a hat", action="edit", image=cat)
    advice = "must be an http:// or https:// URL that acedata-flux can fetch: it takes no files"
    assert problems_of(refused) == {"image_urls.0": advice}
    job = client.submit("acedata-flux", "add a hat", action="edit", image=URL)
    assert (job.image_urls, stub.asked) == ((URL,), [])


def test_an_upload_that_failed_for_now_is_sent_again_the_same(
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


@pytest.mark.parametrize(
    ("answer", "tries", "words"),
    [
        ((500, {"code": 500, "msg": f"no {KEY}"}), 4, "500 no ...; try again later, or check"),
        (None, 4, "no answer (ConnectionError); try again later, or check"),
        ((404, {"code": 404, "msg": "No message"}), 1, "404 No message; check"),
        ((200, b"<html>"), 1, "unreadable the body is not JSON; check"),
        ((302, b"", {"Location": "/elsewhere"}), 1, "unreadable the response has no URL"),
    ],
)
def test_a_failed_upload_queues_nothing_and_says_what_to_do(
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


def test_a_file_that_went_away_after_it_was_checked_is_named(
    overrides: dict[str, str], stub: Any, cat: Path
) -> None:
    stub.answer = lambda *_: cat.unlink() or (200, UPLOADED)
    with pytest.raises(UploadError, match=r"cat\.png: No such file or directory"):
        client_of(overrides, stub.url).submit(
            "kie-midjourney", "two hats", action="edit", image=[cat, cat]
        )
    assert traces(overrides["redis_url"]) == []


def test_a_host_that_is_away_is_named(overrides: dict[str, str], cat: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    options = ("--action=edit", "--image=cat.png")
    settings = {**overrides, "kie_upload_url": away}
    ran = imagequeue("submit", "kie-midjourney", "a hat", *options, settings=settings)
    assert (ran.status, ran.err) == (
        2,
        f"imagequeue: cat.png was not uploaded to {away}: no answer (ConnectionError); "
        "try again later, or check IMAGEQUEUE_KIE_UPLOAD_URL\n",
    )
    assert traces(overrides["redis_url"]) == []


def test_a_wrong_key_is_named_and_not_shown(
    overrides: dict[str, str], sandbox: Sandbox, cat: Path
) -> None:
    with pytest.raises(UploadError) as failed:
        client_of(overrides, sandbox.url, kie_api_key=f"bad {KEY}").submit(**EDIT, image=cat)
    assert str(failed.value).endswith("the key was refused; check IMAGEQUEUE_KIE_API_KEY")
    assert KEY not in repr(failed.value)
    assert traces(overrides["redis_url"]) == []


def test_a_netrc_does_not_replace_the_key(
    overrides: dict[str, str],
    sandbox: Sandbox,
    cat: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert client_of(overrides, sandbox.url).submit(**EDIT, image=cat).image_urls


def test_up_with_a_sandbox_uploads_to_it() -> None:
    settings = read_settings(**_build_sandbox_settings(Options(sandbox_port=9000)))
    assert settings.account(KieAccount).upload_url == "http://127.0.0.1:9000"


LOCAL = ({"image": "cat.png"}, {"image_urls": ["cat.png"]}, {"image_urls": ["file:cat.png"]})


@pytest.mark.parametrize("image", LOCAL)
def test_a_request_from_outside_reads_no_file_of_this_machine(
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
