"""kie's File Upload API in the sandbox."""

from __future__ import annotations

from typing import Any

import requests

from support.processes import eventually
from support.sandbox import Sandbox, running

PATH = "/api/file-stream-upload"
AT = {"uploadPath": "images/a b"}


def upload(
    sandbox: Sandbox, content: bytes = b"cat", key: str = "key", **fields: str
) -> requests.Response:
    files = {"file": ("cat.png", content, "image/png")}
    return sandbox.ask("POST", PATH, key=key, data=fields, files=files)


def test_file_is_stored_and_served_unchanged(sandbox: Sandbox) -> None:
    response = upload(sandbox, uploadPath="images/a b", fileName="c?t.png")
    body: dict[str, Any] = response.json()
    url, at = body["data"].pop("downloadUrl"), body["data"].pop("uploadedAt")
    assert (response.status_code, at.endswith("Z")) == (200, True)
    assert body == {
        "success": True,
        "code": 200,
        "msg": "File uploaded successfully",
        "data": {
            "fileName": "c?t.png",
            "filePath": "images/a b/c?t.png",
            "fileSize": 3,
            "mimeType": "image/png",
        },
    }
    found = sandbox.get(url, key="")
    assert (found.content, found.headers["Content-Type"]) == (b"cat", "image/png")


def test_every_byte_value_is_stored(sandbox: Sandbox) -> None:
    for content in (bytes(range(256)), b"\r", b"a\n", b"\r\n\r\n", b"\n--x--\r\n", b"\x80\r"):
        url = upload(sandbox, content, **AT).json()["data"]["downloadUrl"]
        assert sandbox.get(url).content == content


def test_same_name_overwrites_and_none_is_random(sandbox: Sandbox) -> None:
    def url(content: bytes, **name: str) -> str:
        return str(upload(sandbox, content, **AT, **name).json()["data"]["downloadUrl"])

    assert url(b"one", fileName="cat.png") == url(b"two", fileName="cat.png")
    assert sandbox.get(url(b"three", fileName="cat.png")).content == b"three"
    assert url(b"one") != (other := url(b"one"))
    assert other.endswith(".png")


def test_refused_upload_has_a_real_status(sandbox: Sandbox) -> None:
    for response, code, message in [
        (upload(sandbox, key="", **AT), 401, "Authentication failed: Invalid API Key"),
        (upload(sandbox, key="bad", **AT), 401, "Authentication failed: Invalid API Key"),
        (upload(sandbox), 400, "Missing required parameter: uploadPath"),
        (upload(sandbox, b"", **AT), 400, "Missing required parameter: file"),
        (sandbox.post(PATH, AT), 400, "Missing required parameter: file"),
    ]:
        assert response.status_code == code
        assert response.json() == {"success": False, "code": code, "msg": message}


def test_file_expires_after_a_day() -> None:
    with running("--speed", "86400") as quick:  # a day in a second
        url = upload(quick, **AT).json()["data"]["downloadUrl"]
        eventually(lambda: quick.get(url).status_code == 404)
