"""AceData in the sandbox: results in responses, callbacks and task records."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from support.processes import eventually
from support.sandbox import QUICK, Receiver, Sandbox, running


def submit(sandbox: Sandbox, **fields: Any) -> Any:
    body = {"action": "generate", "prompt": "a cat", **fields}
    return sandbox.post("/flux/images", body)


def get_task(sandbox: Sandbox, **fields: Any) -> Any:
    return sandbox.post("/flux/tasks", {"action": "retrieve", **fields}).json()


def test_response_has_the_images_by_default(sandbox: Sandbox) -> None:
    body = submit(sandbox, count=2, size="1024x1792").json()
    assert body["success"] is True
    assert len(body["data"]) == 2
    image = sandbox.get(body["data"][1]["image_url"])
    assert image.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(image.content)).size == (439, 768)


def test_edit_has_the_shapes_of_its_image(sandbox: Sandbox) -> None:
    def draw(**fields: Any) -> tuple[str, bytes]:
        (made,) = submit(sandbox, **fields).json()["data"]
        image = Image.open(io.BytesIO(sandbox.get(made["image_url"]).content))
        # Above the text.
        return made["image_url"], image.crop((0, 0, image.width, image.height // 2)).tobytes()

    lake, _ = draw(prompt="a lake")
    night = {"action": "edit", "prompt": "at night", "model": "flux-kontext-pro"}
    edited, image = draw(**night, image_url=lake)
    assert draw(**night, image_url=edited)[1] == image
    assert draw(**night, image_url="https://images.example/0.png")[1] != image


def test_callback_has_the_same_body_later(sandbox: Sandbox, receiver: Receiver) -> None:
    accepted = submit(sandbox, callback_url=f"{receiver.url}/done").json()
    assert set(accepted) == {"task_id", "trace_id"}
    (callback,) = receiver.wait("/done")
    assert callback["task_id"] == accepted["task_id"]
    record = get_task(sandbox, id=accepted["task_id"])
    assert record["response"] == callback
    assert record["finished_at"] - record["created_at"] == pytest.approx(6, abs=0.01)


def test_timings_alternate_between_two_types(sandbox: Sandbox) -> None:
    timings = [submit(sandbox).json()["data"][0]["timings"] for _ in range(2)]
    assert {type(one) for one in timings} == {int, dict}


def test_pending_task_has_no_result(sandbox: Sandbox) -> None:
    task_id = submit(sandbox, prompt="[stuck]", **{"async": True}).json()["task_id"]
    records = [get_task(sandbox, id=task_id) for _ in range(3)]
    assert not any({"finished_at", "elapsed"} & set(record) for record in records)
    responses = [record.get("response", "missing") for record in records]
    for form in ("missing", None, {"success": True, "task_id": task_id}):
        assert form in responses


def test_batch_leaves_out_unknown_tasks(sandbox: Sandbox) -> None:
    ids = [submit(sandbox, **{"async": True}).json()["task_id"] for _ in range(2)]
    batch = get_task(sandbox, action="retrieve_batch", ids=[*ids, "nobody"])
    assert ([item["id"] for item in batch["items"]], batch["count"]) == (ids, 2)
    assert get_task(sandbox, id="nobody") == {}


def test_failure_is_an_error_in_every_body(sandbox: Sandbox, receiver: Receiver) -> None:
    at_once = submit(sandbox, prompt="[fail=500]")
    assert at_once.status_code == 500
    later = submit(sandbox, prompt="[fail=403]", callback_url=f"{receiver.url}/failed").json()
    (callback,) = receiver.wait("/failed")
    assert callback["success"] is False
    assert callback["error"]["code"] == "forbidden"
    assert "data" not in callback
    assert eventually(lambda: get_task(sandbox, id=later["task_id"]).get("response")) == callback


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"action": "draw"}, "action must be one of"),
        ({"prompt": None}, "prompt is required"),
        ({"count": 0}, "count must be from 1 to 10"),
        ({"action": "edit", "model": "flux-kontext-pro"}, "image_url is required"),
        ({"action": "edit", "image_url": "https://a.example/b.png"}, "flux-dev cannot edit"),
        ({"model": "flux-kontext-pro", "size": "1024x1024"}, "size must be one of"),
        ({"model": "flux-2-pro"}, "size must be one of"),
        ({"callback_url": "ftp://a.example"}, "callback_url must be an http or https URL"),
    ],
)
def test_invalid_request_is_refused(
    sandbox: Sandbox, fields: dict[str, Any], complaint: str
) -> None:
    response = submit(sandbox, **fields)
    assert response.status_code == 400
    body = response.json()
    assert (body["success"], body["error"]["code"]) == (False, "bad_request")
    assert complaint in body["error"]["message"]
    assert body["trace_id"]


def test_bad_or_empty_key_is_refused(sandbox: Sandbox) -> None:
    def refusal(key: str) -> tuple[int, str]:
        response = sandbox.post("/flux/images", {}, key=key)
        return response.status_code, response.json()["error"]["code"]

    assert refusal("") == refusal("bad-key") == (401, "invalid_token")
    assert refusal("broke-key") == (403, "used_up")


def test_edits_is_accepted_unless_only_edit_is_set(sandbox: Sandbox) -> None:
    edit = {"model": "flux-kontext-pro", "image_url": "https://a.example/b.png", "count": 3}
    with running(*QUICK, "--only-edit") as strict:
        responses = {
            (action, where is strict): submit(where, action=action, **edit)
            for where in (sandbox, strict)
            for action in ("edit", "edits")
        }
    assert len(responses["edits", False].json()["data"]) == 1
    statuses = {key: response.status_code for key, response in responses.items()}
    assert statuses.pop(("edits", True)) == 400
    assert set(statuses.values()) == {200}


SERVICES: dict[str, dict[str, Any]] = {
    "/nano-banana/images": {"model": "nano-banana", "action": "generate", "count": 2},
    "/seedream/images": {"model": "doubao-seedream-4-0-250828", "size": "1K"},
    "/qwen-image/images": {"model": "qwen-image-3.0", "n": 2, "size": "1024*512"},
    "/openai/images/generations": {"model": "gpt-image-2", "size": "1024x512"},
    "/openai/images/edits": {"model": "gpt-image-2", "image": ["https://a.example/b.png"]},
    "/midjourney/imagine": {"split_images": True},
    "/midjourney/edits": {"image_url": "https://a.example/b.png"},
}


@pytest.mark.parametrize("path", SERVICES)
def test_service_makes_images_and_knows_its_tasks(sandbox: Sandbox, path: str) -> None:
    body = {"prompt": "a cat", **SERVICES[path]}
    result = sandbox.post(path, body).json()
    assert result["success"] is True
    assert result["cost"]["amount"] == {"/qwen-image/images": 0.7}.get(path, 10)
    urls = [image.get("image_url") or image["url"] for image in result.get("data", ())]
    urls += [result["image_url"], *result.get("sub_image_urls", ())] if not urls else []
    assert len(urls) == {"/midjourney/imagine": 5}.get(path, body.get("count", body.get("n", 1)))
    assert all(sandbox.get(url).status_code == 200 for url in urls)
    service = path.split("/")[1]
    for other in ("flux", service):
        look = {"action": "retrieve", "id": result["task_id"]}
        record = sandbox.post(f"/{other}/tasks", look).json()
        assert record.get("response") == (result if other == service else None)


@pytest.mark.parametrize(
    ("path", "change", "complaint"),
    [
        ("/nano-banana/images", {"action": "edit"}, "action must be one of generate"),
        ("/nano-banana/images", {"count": 5}, "count must be at most 4"),
        ("/nano-banana/images", {"model": "gpt-image-2"}, "model must be one of nano-banana"),
        ("/seedream/images", {"size": "5K"}, "size must match"),
        ("/qwen-image/images", {"prompt": ""}, "prompt is required"),
        ("/openai/images/generations", {"mask": "https://a.example/b.png"}, "mask is not a field"),
    ],
)
def test_invalid_request_to_a_service_is_refused(
    sandbox: Sandbox, path: str, change: dict[str, Any], complaint: str
) -> None:
    response = sandbox.post(path, {"prompt": "a cat", **SERVICES[path], **change})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")
    assert complaint in response.json()["error"]["message"]


def test_work_on_a_result_names_its_image(sandbox: Sandbox) -> None:
    def send(action: str, image_id: str, **fields: Any) -> Any:
        body = {"action": action, "image_id": image_id, **fields}
        return sandbox.post("/midjourney/imagine", body).json()

    grid = sandbox.post("/midjourney/imagine", {"prompt": "a cat"}).json()
    assert {"upscale1", "variation4", "reroll"} <= {*grid["actions"]}
    single = send("upscale3", grid["image_id"])
    assert (single["success"], single["image_id"] != grid["image_id"]) == (True, True)
    assert {"zoom_out_1_5x", "pan_left", "upscale_2x"} <= {*single["actions"]}
    wider = send("pan_left", single["image_id"], split_images=True)
    assert len(wider["sub_image_urls"]) == 4
    assert "action must be one of" in send("pan_left", grid["image_id"])["error"]["message"]
    assert "no such image" in send("upscale1", grid["task_id"])["error"]["message"]
