"""kie's Midjourney in the sandbox: images, videos and the tasks that follow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.sandbox import Receiver, Sandbox

BASE = "/api/v1/mj"
IMAGE = "https://a.example/cat.png"


def submit(sandbox: Sandbox, path: str = "generate", **fields: Any) -> Any:
    defaults = {"taskType": "mj_txt2img", "prompt": "a cat"} if path == "generate" else {}
    return sandbox.post(f"{BASE}/{path}", {**defaults, **fields}).json()


def finish(sandbox: Sandbox, response: Any) -> Any:
    return sandbox.ended(f"{BASE}/record-info", response["data"]["taskId"], "successFlag", 1)


def urls_in(record: Any) -> list[str]:
    return [one["resultUrl"] for one in record["resultInfoJson"]["resultUrls"]]


def test_urls_are_objects_in_polls_and_strings_in_callbacks(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    response = submit(sandbox, speed="turbo", callBackUrl=f"{receiver.url}/mj")
    record = finish(sandbox, response)
    urls = urls_in(record)
    assert len({sandbox.get(url).content for url in urls}) == 4
    (callback,) = receiver.wait("/mj")
    assert (callback["code"], callback["msg"]) == (200, "success")
    assert callback["data"]["resultUrls"] == urls
    assert json.loads(callback["data"]["promptJson"])["speed"] == "turbo"


def test_upscale_gives_one_image_and_vary_four(sandbox: Sandbox) -> None:
    task_id = finish(sandbox, submit(sandbox))["taskId"]
    upscaled = finish(sandbox, submit(sandbox, "generateUpscale", taskId=task_id, imageIndex=3))
    varied = finish(sandbox, submit(sandbox, "generateVary", taskId=task_id, imageIndex=4))
    assert (len(urls_in(upscaled)), len(urls_in(varied))) == (1, 4)
    assert upscaled["taskType"] == "mj_upscale"


def test_video_is_made_and_extended(sandbox: Sandbox) -> None:
    response = submit(
        sandbox, taskType="mj_video", fileUrls=[IMAGE], motion="low", videoBatchSize=2
    )
    record = finish(sandbox, response)
    assert len(urls_in(record)) == 2
    video = sandbox.get(urls_in(record)[0])
    assert video.headers["content-type"] == "video/mp4"
    assert video.content[4:8] == b"ftyp"
    longer = {"taskId": record["taskId"], "taskType": "mj_video_extend_auto", "index": 1}
    assert len(urls_in(finish(sandbox, submit(sandbox, "generateVideoExtend", **longer)))) == 1


def test_every_failure_calls_back_as_500(sandbox: Sandbox, receiver: Receiver) -> None:
    submit(sandbox, prompt="a cat [fail=400]", callBackUrl=f"{receiver.url}/failed")
    (callback,) = receiver.wait("/failed")
    assert (callback["code"], callback["msg"]) == (500, "Image generation failed")
    assert callback["data"]["resultUrls"] == []
    record = sandbox.ended(f"{BASE}/record-info", callback["data"]["taskId"], "successFlag", 3)
    assert record["errorCode"] == 400
    assert record["resultInfoJson"] is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"taskType": None}, "taskType must be one of"),
        ({"prompt": "x" * 2001}, "prompt must not exceed 2000 characters"),
        ({"taskType": "mj_img2img"}, "fileUrls is required"),
        ({"taskType": "mj_video", "fileUrls": [IMAGE, IMAGE]}, "exactly one image"),
        ({"taskType": "mj_video", "fileUrl": IMAGE, "videoBatchSize": 3}, "videoBatchSize"),
        ({"fileUrl": IMAGE, "fileUrls": [IMAGE]}, "exclude each other"),
        ({"speed": "slow"}, "speed must be one of"),
        ({"aspectRatio": "21:9"}, "aspectRatio must be one of"),
        ({"version": 7}, "version must be one of"),
        ({"variety": 7}, "variety must be a multiple of 5"),
        ({"stylization": 1001}, "stylization must be from 0 to 1000"),
    ],
)
def test_invalid_request_is_refused(sandbox: Sandbox, fields: dict[str, Any], message: str) -> None:
    response = submit(sandbox, **fields)
    assert response["code"] == 422
    assert message in response["msg"]


def test_follow_up_needs_a_finished_task_and_an_index(sandbox: Sandbox) -> None:
    stuck = submit(sandbox, prompt="[stuck]")["data"]["taskId"]
    done = finish(sandbox, submit(sandbox))["taskId"]
    for task_id, index in (("nobody", 0), (stuck, 0), (done, 4), (done, None)):
        response = submit(sandbox, "generateUpscale", taskId=task_id, imageIndex=index)
        assert response["code"] == 422
    video = {"taskId": done, "taskType": "mj_video_extend_manual", "index": 0}
    assert "prompt" in submit(sandbox, "generateVideoExtend", **video)["msg"]
    assert "video" in submit(sandbox, "generateVideoExtend", prompt="more", **video)["msg"]
