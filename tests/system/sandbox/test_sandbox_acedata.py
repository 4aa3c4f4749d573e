"""AceData's wire in the sandbox: answers at once, by callback and by look-up."""

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


def look_up(sandbox: Sandbox, **fields: Any) -> Any:
    return sandbox.post("/flux/tasks", {"action": "retrieve", **fields}).json()


def test_answers_with_the_pictures_unless_told_otherwise(sandbox: Sandbox) -> None:
    body = submit(sandbox, count=2, size="1024x1792").json()
    assert body["success"] is True
    assert len(body["data"]) == 2
    image = sandbox.get(body["data"][1]["image_url"])
    assert image.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(image.content)).size == (439, 768)


def test_a_callback_url_brings_the_same_body_later(sandbox: Sandbox, receiver: Receiver) -> None:
    accepted = submit(sandbox, callback_url=f"{receiver.url}/done").json()
    assert set(accepted) == {"task_id", "trace_id"}
    (callback,) = receiver.wait("/done")
    assert callback["task_id"] == accepted["task_id"]
    record = look_up(sandbox, id=accepted["task_id"])
    assert record["response"] == callback
    assert record["finished_at"] - record["created_at"] == pytest.approx(6, abs=0.01)


def test_timings_take_turns_between_their_two_types(sandbox: Sandbox) -> None:
    timings = [submit(sandbox).json()["data"][0]["timings"] for _ in range(2)]
    assert {type(one) for one in timings} == {int, dict}


def test_a_pending_task_shows_no_sign_of_an_end(sandbox: Sandbox) -> None:
    task_id = submit(sandbox, prompt="[stuck]", **{"async": True}).json()["task_id"]
    records = [look_up(sandbox, id=task_id) for _ in range(3)]
    assert not any({"finished_at", "elapsed"} & set(record) for record in records)
    responses = [record.get("response", "missing") for record in records]
    for form in ("missing", None, {"success": True, "task_id": task_id}):
        assert form in responses


def test_several_tasks_at_once_and_unknown_ones_are_no_error(sandbox: Sandbox) -> None:
    ids = [submit(sandbox, **{"async": True}).json()["task_id"] for _ in range(2)]
    batch = look_up(sandbox, action="retrieve_batch", ids=[*ids, "nobody"])
    assert ([item["id"] for item in batch["items"]], batch["count"]) == (ids, 2)
    assert look_up(sandbox, id="nobody") == {}


def test_a_failure_is_an_error_in_every_form(sandbox: Sandbox, receiver: Receiver) -> None:
    at_once = submit(sandbox, prompt="[fail=500]")
    assert at_once.status_code == 500
    later = submit(sandbox, prompt="[fail=403]", callback_url=f"{receiver.url}/failed").json()
    (callback,) = receiver.wait("/failed")
    assert callback["success"] is False
    assert callback["error"]["code"] == "forbidden"
    assert "data" not in callback
    assert eventually(lambda: look_up(sandbox, id=later["task_id"]).get("response")) == callback


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
def test_refuses_what_acedata_would(
    sandbox: Sandbox, fields: dict[str, Any], complaint: str
) -> None:
    answer = submit(sandbox, **fields)
    assert answer.status_code == 400
    body = answer.json()
    assert (body["success"], body["error"]["code"]) == (False, "bad_request")
    assert complaint in body["error"]["message"]
    assert body["trace_id"]


def test_keys_decide_who_may_submit(sandbox: Sandbox) -> None:
    def refusal(key: str) -> tuple[int, str]:
        answer = sandbox.post("/flux/images", {}, key=key)
        return answer.status_code, answer.json()["error"]["code"]

    assert refusal("") == refusal("bad-key") == (401, "invalid_token")
    assert refusal("broke-key") == (403, "used_up")


def test_both_words_for_an_edit_unless_only_the_newer_is_taken(sandbox: Sandbox) -> None:
    edit = {"model": "flux-kontext-pro", "image_url": "https://a.example/b.png", "count": 3}
    with running(*QUICK, "--only-edit") as strict:
        answers = {
            (action, where is strict): submit(where, action=action, **edit)
            for where in (sandbox, strict)
            for action in ("edit", "edits")
        }
    assert len(answers["edits", False].json()["data"]) == 1
    statuses = {key: answer.status_code for key, answer in answers.items()}
    assert statuses.pop(("edits", True)) == 400
    assert set(statuses.values()) == {200}
