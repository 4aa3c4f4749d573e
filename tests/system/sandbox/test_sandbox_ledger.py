"""Retries, lifetimes, limits and the ledger of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.processes import eventually
from support.sandbox import QUICK, Receiver, Sandbox, receiving, running

RECORD = "/api/v1/flux/kontext/record-info"
GENERATE = "/api/v1/flux/kontext/generate"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(*QUICK) as one:
        yield one


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def test_kie_callback_is_tried_four_times(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.ask("DELETE", "/sandbox/ledger")
    # Only a 200 counts: another 2xx is tried again.
    receiver.answers = [500, 204, 404, 503]
    sandbox.flux("a cat", callBackUrl=f"{receiver.url}/never")
    eventually(lambda: ledger(sandbox)["callbacks_failed"] == 4)
    counts = ledger(sandbox)
    assert (counts["callbacks_sent"], counts["callbacks_delivered"]) == (4, 0)
    assert len(receiver.bodies("/never")) == 4


def test_acedata_callback_is_tried_once(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.ask("DELETE", "/sandbox/ledger")
    receiver.answers = [204, 500]
    for path in ("/taken", "/refused"):
        body = {"action": "generate", "prompt": "a cat", "callback_url": receiver.url + path}
        sandbox.post("/flux/images", body)
        receiver.wait(path)
    eventually(lambda: ledger(sandbox)["callbacks_failed"])
    assert ledger(sandbox)["callbacks_delivered"] == 1
    assert ledger(sandbox)["callbacks_sent"] == 2


def test_origin_url_expires_before_its_result() -> None:
    with running("--speed", "300") as sandbox:
        task_id = sandbox.flux("a cat")["data"]["taskId"]
        urls = sandbox.ended(RECORD, task_id, "successFlag", 1)["response"]
        assert sandbox.get(urls["originImageUrl"]).status_code == 200
        eventually(lambda: sandbox.get(urls["originImageUrl"]).status_code == 403)
        assert sandbox.get(urls["resultImageUrl"]).status_code == 200


def test_result_url_expires_after_fourteen_days() -> None:
    with running("--speed", "1000000", "--kie-limit", "0") as sandbox:
        task_id = sandbox.flux("a cat")["data"]["taskId"]
        urls = sandbox.ended(RECORD, task_id, "successFlag", 1)["response"]
        eventually(lambda: sandbox.get(urls["resultImageUrl"]).status_code == 403)
        dead = {"url": urls["resultImageUrl"]}
        assert sandbox.post("/api/v1/common/download-url", dead).json()["code"] == 422


@pytest.mark.parametrize(("flags", "status"), [([], 200), (["--real-429"], 429)])
def test_kie_limit_covers_all_apis_of_a_key(flags: list[str], status: int) -> None:
    with running("--kie-limit", "2", "--speed", "0.01", "--acedata-limit", "1", *flags) as sandbox:
        midjourney = {"taskType": "mj_txt2img", "prompt": "a cat"}
        assert sandbox.flux("a cat")["code"] == 200
        assert sandbox.post("/api/v1/mj/generate", midjourney).json()["code"] == 200
        excess = sandbox.post(GENERATE, {"prompt": "a cat"})
        assert (excess.status_code, excess.json()["code"]) == (status, 429)
        assert sandbox.post(GENERATE, {"prompt": "a cat"}, key="other").json()["code"] == 200
        ours = {"action": "generate", "prompt": "a cat", "async": True}
        statuses = [sandbox.post("/flux/images", ours).status_code for _ in range(2)]
        assert statuses == [200, 429]
        assert ledger(sandbox)["refused"] == {"429": 2}


def test_limit_is_a_sliding_window() -> None:
    with running("--kie-limit", "1", "--speed", "5") as sandbox:
        codes = [sandbox.flux("a cat")["code"] for _ in range(2)]
        assert codes == [200, 429]
        eventually(lambda: sandbox.flux("a cat")["code"] == 200)


def test_ledger_counts_by_provider_and_is_reset(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.ask("DELETE", "/sandbox/ledger")
    task_id = sandbox.flux("a dog", callBackUrl=f"{receiver.url}/dog")["data"]["taskId"]
    record = sandbox.ended(RECORD, task_id, "successFlag", 1)
    receiver.wait("/dog")
    sandbox.get(record["response"]["resultImageUrl"])
    sandbox.flux("a dog [refuse=422]")
    eventually(lambda: ledger(sandbox)["callbacks_delivered"])
    books = sandbox.get("/sandbox/ledger").json()
    counts = books["providers"]["kie-flux-kontext"]
    assert counts.pop("lookups") >= 1
    assert counts == {
        "received": 2,
        "accepted": 1,
        "refused": {"422": 1},
        "charged": 5,
        "callbacks_sent": 1,
        "callbacks_delivered": 1,
        "callbacks_failed": 0,
        "files_served": 1,
    }
    assert books["providers"]["acedata-flux"]["received"] == 0
    (submission,) = sandbox.submissions("a dog")
    assert set(submission) == {
        "at", "provider", "task_id", "prompt", "callback_url", "charged", "state",
    }  # fmt: skip
    assert (submission["task_id"], submission["state"]) == (task_id, "success")
    assert sandbox.ask("DELETE", "/sandbox/ledger").status_code == 204
    assert sandbox.get("/sandbox/submissions").json() == []
    assert ledger(sandbox)["accepted"] == 0


def ledger(sandbox: Sandbox) -> dict[str, object]:
    total: dict[str, object] = sandbox.get("/sandbox/ledger").json()["total"]
    return total
