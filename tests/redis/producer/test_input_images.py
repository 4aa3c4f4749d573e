"""Images that are uploaded to the API: validated, stored, and recorded for a time."""

import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError, UploadError
from imagequeue.jobs.job import add_seconds
from imagequeue.producer import input_images
from imagequeue.producer.client import LocalClient
from imagequeue.store.images import keys as image_keys
from imagequeue.store.images.uploads import GRACE_S, Uploads
from imagequeue.worker.context import Context
from support.callers import Ask
from support.cli import imagequeue
from support.worker.downloads import folder_of, make_image

PNG = make_image("PNG")


@pytest.fixture
def client(ctx: Context) -> LocalClient:
    return LocalClient(ctx.settings, now=ctx.now)


def make_header(width: int, height: int) -> bytes:
    """A complete PNG that states a size without having the pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "content_type", "extension"),
    [
        ("PNG", "image/png", "png"),
        ("JPEG", "image/jpeg", "jpg"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
    ],
)
def test_upload_is_stored_with_its_facts(
    ask: Ask, ctx: Context, kind: str, content_type: str, extension: str
) -> None:
    content = make_image(kind, (8, 6))
    headers = {"Content-Type": "application/octet-stream"}
    response = ask("shop", "POST", "/v1/uploads", data=content, headers=headers)
    assert response.status_code == 201, response.text
    said = response.json()
    assert (said["content_type"], said["bytes"]) == (content_type, len(content))
    assert (said["width"], said["height"]) == (8, 6)
    assert set(said) == {"id", "content_type", "bytes", "width", "height", "expires_at"}
    stored = folder_of(ctx) / "uploads" / f"{said['id']}.{extension}"
    assert stored.read_bytes() == content
    (upload,) = Uploads(ctx.store.redis).get_many([said["id"]])
    assert (upload.submitted_by, upload.expires_at.isoformat()) == (
        "shop",
        said["expires_at"].replace("Z", "+00:00"),
    )
    lifetime_s: Any = ctx.store.redis.ttl(image_keys.upload(upload.id))
    assert 0 < lifetime_s <= ctx.settings.retention_s
    deleted_at = upload.expires_at.timestamp() + GRACE_S
    assert ctx.store.redis.zscore(image_keys.UPLOADS, upload.name) == deleted_at


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"<html></html>", "a web page"),
        (b'{"image": "aGk="}', "JSON"),
        (PNG[:-20], "cut off"),
        (make_header(100_000, 100_000), "100000 x 100000 pixels"),
        (b"\x1a\x45\xdf\xa3" + b"x" * 99, "Matroska"),
    ],
)
def test_what_is_no_image_is_422_and_not_stored(
    ask: Ask, ctx: Context, content: bytes, words: str
) -> None:
    headers = {"Content-Type": "image/png"}
    response = ask("shop", "POST", "/v1/uploads", data=content, headers=headers)
    assert response.status_code == 422
    assert words in response.json()["detail"]
    assert not ctx.store.redis.exists(image_keys.UPLOADS)


def test_upload_beyond_the_limit_is_413_also_without_a_stated_length(ask: Ask) -> None:
    def stream() -> Iterator[bytes]:
        yield PNG
        for _ in range(31):
            yield bytes(1024 * 1024)

    response = ask("shop", "POST", "/v1/uploads", data=stream())
    assert response.status_code == 413
    assert str(input_images.MAX_UPLOAD_BYTES) in response.json()["detail"]


def test_upload_counts_for_the_limit_of_a_key_and_needs_its_right(ask: Ask) -> None:
    statuses = [ask("limited", "POST", "/v1/uploads", data=PNG).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
    assert ask("reader", "POST", "/v1/uploads", data=PNG).status_code == 403


def test_command_and_client_upload_a_file(
    overrides: dict[str, str], client: LocalClient, ctx: Context, tmp_path: Path
) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    ran = imagequeue("upload", str(path), "--json", settings=overrides)
    assert (ran.status, ran.err) == (0, "")
    upload_id = json.loads(ran.out)["id"]
    assert (folder_of(ctx) / "uploads" / f"{upload_id}.png").read_bytes() == PNG
    upload = client.upload(path)
    assert (upload.width, upload.height, upload.submitted_by) == (8, 6, "python")
    assert upload.expires_at == add_seconds(ctx.now(), ctx.settings.retention_s)


def test_client_refuses_a_file_that_is_missing_too_large_or_no_image(
    client: LocalClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cat.png"
    with pytest.raises(UploadError, match="No such file"):
        client.upload(path)
    path.write_bytes(b"a text")
    with pytest.raises(InvalidRequestError, match="is text"):
        client.upload(path)
    monkeypatch.setattr(input_images, "MAX_UPLOAD_BYTES", 5)
    with pytest.raises(UploadError, match="more than 5 bytes"):
        client.upload(path)


def test_upload_that_is_not_stored_says_what_to_change(
    client: LocalClient, ctx: Context, tmp_path: Path
) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    folder = folder_of(ctx) / "uploads"
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.touch()
    try:
        with pytest.raises(UploadError, match=r"was not stored: .*IMAGEQUEUE_STORAGE_URL"):
            client.upload(path)
    finally:
        folder.unlink()


def test_idempotency_key_names_an_upload_by_its_content(ask: Ask, ctx: Context) -> None:
    def submit(content: bytes) -> Any:
        upload = ask("shop", "POST", "/v1/uploads", data=content).json()
        edit = {
            "provider": "kie-flux-kontext",
            "action": "edit",
            "prompt": "a hat",
            "image_urls": [upload["id"]],
        }
        return ask("shop", "POST", "/v1/jobs", json=edit, headers={"Idempotency-Key": "order-7"})

    first, second, other = submit(PNG), submit(PNG), submit(make_image("JPEG"))
    assert (first.status_code, second.status_code) == (202, 202), second.text
    assert second.json()["id"] == first.json()["id"]
    assert other.status_code == 409


def test_idempotency_key_names_an_upload_in_a_parameter_by_its_content(ask: Ask) -> None:
    def submit(content: bytes) -> Any:
        upload = ask("shop", "POST", "/v1/uploads", data=content).json()
        params = {"model": "qwen2-1/image-to-image", "mask_url": upload["id"]}
        image_urls = ["https://a.example/0.png"]
        edit = {"provider": "kie", "action": "edit", "prompt": "a hat", "params": params}
        headers = {"Idempotency-Key": "order-8"}
        body = {**edit, "image_urls": image_urls}
        return ask("shop", "POST", "/v1/jobs", json=body, headers=headers)

    first, second, other = submit(PNG), submit(PNG), submit(make_image("JPEG"))
    assert (first.status_code, second.status_code) == (202, 202), second.text
    assert second.json()["id"] == first.json()["id"]
    assert other.status_code == 409
