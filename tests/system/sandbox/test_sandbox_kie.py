"""kie in the sandbox: both versions of Flux Kontext, and what they share."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from support.processes import eventually
from support.sandbox import QUICK, Receiver, Sandbox, receiving, running

FLUX = "/api/v1/flux/kontext"
JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(*QUICK, "--kie-webhook-hmac-key", "secret") as one:
        yield one


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def test_flux_task_is_polled_and_calls_back(sandbox: Sandbox, receiver: Receiver) -> None:
    response = sandbox.flux("a cat", aspectRatio="21:9", callBackUrl=f"{receiver.url}/flux")
    task_id = response["data"]["taskId"]
    assert response == {"code": 200, "msg": "success", "data": {"taskId": task_id}}

    record = sandbox.ended(f"{FLUX}/record-info", task_id, "successFlag", 1)
    assert json.loads(record["paramJson"])["aspectRatio"] == "21:9"
    assert record["completeTime"].endswith("Z")
    assert record["errorCode"] is None

    (callback,) = receiver.wait("/flux")
    assert callback["code"] == 200
    assert callback["data"] == {"taskId": task_id, "info": record["response"]}
    image = sandbox.get(record["response"]["resultImageUrl"])
    assert image.headers["content-type"] == "image/jpeg"
    assert int(image.headers["content-length"]) == len(image.content)
    assert Image.open(io.BytesIO(image.content)).size == (768, 329)
    assert sandbox.get(record["response"]["resultImageUrl"]).content == image.content


def test_pending_flux_task_has_no_urls(sandbox: Sandbox) -> None:
    task_id = sandbox.flux("[stuck]")["data"]["taskId"]
    response = sandbox.get(f"{FLUX}/record-info", params={"taskId": task_id}).json()
    assert response["data"]["successFlag"] == 0
    assert not {"response", "completeTime"} & set(response["data"])
    assert sandbox.get(f"{sandbox.url}/files/{task_id}/0.jpeg").status_code == 404


def test_failed_flux_task_has_empty_urls(sandbox: Sandbox, receiver: Receiver) -> None:
    task_id = sandbox.flux("[fail=501]", callBackUrl=f"{receiver.url}/failed")["data"]["taskId"]
    (callback,) = receiver.wait("/failed")
    assert callback == {
        "code": 501,
        "msg": "Image generation task failed",
        "data": {"taskId": task_id, "info": {"originImageUrl": "", "resultImageUrl": ""}},
    }
    record = sandbox.ended(f"{FLUX}/record-info", task_id, "successFlag", 3)
    assert record["errorCode"] == 501


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"prompt": ""}, 422, "prompt is required"),
        ({"aspectRatio": "5:4"}, 422, "aspectRatio must be one of"),
        ({"model": "flux-dev"}, 422, "model must be one of"),
        ({"outputFormat": "gif"}, 422, "outputFormat must be one of"),
        ({"callBackUrl": "nowhere"}, 422, "callBackUrl must be an http or https URL"),
        ({"enableTranslation": 1}, 422, "enableTranslation must be a boolean"),
        ({"safetyTolerance": 7}, 500, "security tolerance level is out of range"),
        ({"safetyTolerance": 3, "inputImage": "https://a.example/b.png"}, 500, "out of range"),
    ],
)
def test_invalid_flux_request_is_refused(
    sandbox: Sandbox, fields: dict[str, Any], code: int, message: str
) -> None:
    response = sandbox.flux(**{"prompt": "a cat", **fields})
    assert response["code"] == code
    assert message in response["msg"]
    assert response["data"] is None


def test_bad_or_empty_key_is_refused(sandbox: Sandbox) -> None:
    def code(key: str) -> int:
        response = sandbox.post(f"{FLUX}/generate", {"prompt": "a cat"}, key=key)
        assert response.status_code == 200
        return int(response.json()["code"])

    assert [code(key) for key in ("good", "", "bad-key", "broke-key")] == [200, 401, 401, 402]
    credit = {key: sandbox.get("/api/v1/chat/credit", key=key).json() for key in ("good", "broke")}
    assert credit["good"] == {"code": 200, "msg": "success", "data": 999_999_995}
    assert credit["broke"]["data"] == 0


def test_jobs_task_is_polled_and_calls_back(sandbox: Sandbox, receiver: Receiver) -> None:
    body = {"model": "flux1-kontext", "callBackUrl": f"{receiver.url}/jobs"}
    inner = {"prompt": "a cat", "aspect_ratio": "9:16", "output_format": "png"}
    response = sandbox.post(f"{JOBS}/createTask", {**body, "input": inner}).json()
    task_id = response["data"]["taskId"]

    record = sandbox.ended(f"{JOBS}/recordInfo", task_id, "state", "success")
    (url,) = json.loads(record["resultJson"])["resultUrls"]
    assert Image.open(io.BytesIO(sandbox.get(url).content)).size == (432, 768)
    assert record["completeTime"] - record["createTime"] == record["costTime"] == 6000
    assert record["creditsConsumed"] == 5
    assert json.loads(record["param"])["input"] == inner
    (callback,) = receiver.wait("/jobs")
    assert callback["msg"] == "Playground task completed successfully."
    assert callback["data"] == {**record, "costTime": 6}  # in seconds, there


def test_failed_jobs_task_has_its_code_in_data(sandbox: Sandbox, receiver: Receiver) -> None:
    body = {"model": "flux1-kontext", "callBackUrl": f"{receiver.url}/failed-job"}
    sandbox.post(f"{JOBS}/createTask", {**body, "input": {"prompt": "a cat [fail=400]"}})
    (callback,) = receiver.wait("/failed-job")
    assert callback["code"] == 501
    assert (callback["data"]["state"], callback["data"]["failCode"]) == ("fail", "400")
    assert callback["data"]["resultJson"] == ""
    assert callback["data"]["creditsConsumed"] == 0


def test_invalid_jobs_request_is_refused(sandbox: Sandbox) -> None:
    def message(**body: Any) -> str:
        response = sandbox.post(f"{JOBS}/createTask", body).json()
        assert response["code"] == 422
        return str(response["msg"])

    assert message(input={"prompt": "a cat"}) == "model is required"
    assert message(model="unknown/1", input={"prompt": "x"}) == "The page does not exist"
    assert message(model="flux1-kontext") == "input must be an object"
    assert message(model="flux1-kontext", input={}) == "input.prompt is required"
    assert message(model="nano-banana-2", input={"prompt": "a cat", "x": 1}).startswith("input.x ")


def test_task_is_known_only_to_its_api(sandbox: Sandbox) -> None:
    task_id = sandbox.flux("a cat")["data"]["taskId"]
    elsewhere = sandbox.get(f"{JOBS}/recordInfo", params={"taskId": task_id}).json()
    assert elsewhere == {"code": 422, "msg": "recordInfo is null", "data": None}
    unknown = sandbox.get(f"{FLUX}/record-info", params={"taskId": "nobody"}).json()
    assert unknown == {"code": 422, "msg": "The record does not exist", "data": None}
    assert sandbox.get(f"{JOBS}/recordInfo").json()["code"] == 400


def test_callback_is_signed_over_id_and_time(sandbox: Sandbox, receiver: Receiver) -> None:
    task_id = sandbox.flux("a cat", callBackUrl=f"{receiver.url}/signed")["data"]["taskId"]
    receiver.wait("/signed")
    headers = receiver.headers("/signed")
    signed = f"{task_id}.{headers['X-Webhook-Timestamp']}".encode()
    digest = hmac.digest(b"secret", signed, hashlib.sha256)
    assert headers["X-Webhook-Signature"] == base64.b64encode(digest).decode()


def test_only_urls_of_kie_files_are_refreshed(sandbox: Sandbox) -> None:
    def refresh(url: str) -> Any:
        return sandbox.post("/api/v1/common/download-url", {"url": url}).json()

    task_id = sandbox.flux("a cat [url=dies:1]")["data"]["taskId"]
    record = sandbox.ended(f"{FLUX}/record-info", task_id, "successFlag", 1)
    url = record["response"]["resultImageUrl"]
    eventually(lambda: sandbox.get(url).status_code == 403)
    renewed = refresh(url)["data"]
    assert sandbox.get(renewed).status_code == 200
    eventually(lambda: sandbox.get(renewed).status_code == 403)
    assert sandbox.get(refresh(renewed)["data"]).status_code == 200
    foreign = (url.replace("127.0.0.1", "example.com"), url.replace("0.jpeg", "7.jpeg"), "?")
    assert [refresh(one)["code"] for one in foreign] == [422, 422, 422]
