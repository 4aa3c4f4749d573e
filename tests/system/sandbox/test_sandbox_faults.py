"""Faults of the sandbox: every word of a prompt, every rate."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from imagequeue.sandbox.faults.faults import FaultError, Faults, parse_faults
from imagequeue.sandbox.faults.rates import RATES, Rates
from support.sandbox import QUICK, Receiver, Sandbox, running

RECORD = "/api/v1/flux/kontext/record-info"


def finished_url(sandbox: Sandbox, prompt: str) -> str:
    task_id = sandbox.flux(prompt)["data"]["taskId"]
    record = sandbox.ended(RECORD, task_id, "successFlag", 1)
    return str(record["response"]["resultImageUrl"])


def test_words_combine_and_other_brackets_are_text() -> None:
    faults = parse_faults("a [red] cat [fail=501][callback=late:90] [callback=twice]")
    assert faults == Faults(fail=501, callback_late_s=90, callback_twice=True)


@pytest.mark.parametrize("word", ["fail=no", "fail=200", "busy", "stuck=1", "answer=lots"])
def test_misspelt_word_is_refused_by_name(sandbox: Sandbox, word: str) -> None:
    with pytest.raises(FaultError, match=re.escape(f"[{word}] is not a fault")):
        parse_faults(f"a cat [{word}]")
    assert sandbox.flux(f"a cat [{word}]")["code"] == 422


def test_refuse_charges_nothing(sandbox: Sandbox) -> None:
    assert sandbox.flux("[refuse=455]")["code"] == 455
    response = sandbox.post("/flux/images", {"action": "generate", "prompt": "[refuse=403]"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert sandbox.submissions("[refuse=455]") == []


def test_busy_refuses_the_first_submissions(sandbox: Sandbox) -> None:
    assert [sandbox.flux("[busy=2]")["code"] for _ in range(3)] == [429, 429, 200]
    assert [sandbox.flux("[busy=1:503]")["code"] for _ in range(2)] == [503, 200]


def test_slow_task_ends_late_and_stuck_never(sandbox: Sandbox) -> None:
    sandbox.flux("[stuck]")
    slow = sandbox.flux("[slow=600]")["data"]["taskId"]
    assert sandbox.submissions("[slow=600]")[0]["state"] == "generating"
    sandbox.ended(RECORD, slow, "successFlag", 1)
    assert sandbox.submissions("[stuck]")[0]["state"] == "generating"


def test_lost_response_is_charged_and_calls_back(sandbox: Sandbox, receiver: Receiver) -> None:
    prompt = "[answer=lost]"
    with pytest.raises(requests.ConnectionError):
        sandbox.flux(prompt, callBackUrl=f"{receiver.url}/lost")
    (accepted,) = sandbox.submissions(prompt)
    assert accepted["charged"] == 5
    assert receiver.wait("/lost")[0]["data"]["taskId"] == accepted["task_id"]


def test_garbage_response_is_charged(sandbox: Sandbox) -> None:
    body = {"prompt": "[answer=garbage]"}
    response = sandbox.post("/api/v1/flux/kontext/generate", body)
    assert (response.status_code, response.text[:6]) == (200, "<html>")
    assert len(sandbox.submissions("[answer=garbage]")) == 1


def test_slow_response_comes_after_its_callback(sandbox: Sandbox, receiver: Receiver) -> None:
    response = sandbox.flux("[answer=slow:600]", callBackUrl=f"{receiver.url}/slow")
    assert receiver.bodies("/slow")[0]["data"]["taskId"] == response["data"]["taskId"]


def test_early_callback_comes_before_the_response(sandbox: Sandbox, receiver: Receiver) -> None:
    response = sandbox.flux("[callback=early][slow=9999]", callBackUrl=f"{receiver.url}/early")
    (callback,) = receiver.bodies("/early")
    assert callback["data"]["taskId"] == response["data"]["taskId"]


def test_failed_early_callback_is_sent_again(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.answers = [503]
    sandbox.flux("[callback=early]", callBackUrl=f"{receiver.url}/early-again")
    receiver.wait("/early-again", 2)


def test_callbacks_are_lost_late_or_doubled(sandbox: Sandbox, receiver: Receiver) -> None:
    for word in ("none", "late", "late:900", "twice"):
        sandbox.flux(f"[callback={word}]", callBackUrl=f"{receiver.url}/{word}")
    assert len(receiver.wait("/twice", 2)) == 2
    receiver.wait("/late:900")
    order = [path for path, _, _ in receiver.received]
    assert order.index("/late") < order.index("/late:900")
    assert receiver.bodies("/none") == []


def test_mismatched_callback_names_an_unknown_task(sandbox: Sandbox, receiver: Receiver) -> None:
    task_id = sandbox.flux("[task=mismatch]", callBackUrl=f"{receiver.url}/other")["data"]["taskId"]
    (callback,) = receiver.wait("/other")
    assert callback["data"]["taskId"] != task_id
    assert task_id in callback["data"]["info"]["resultImageUrl"]


def test_dead_url_stays_dead_when_refreshed(sandbox: Sandbox) -> None:
    url = finished_url(sandbox, "[url=dead]")
    renewed = sandbox.post("/api/v1/common/download-url", {"url": url}).json()["data"]
    assert [sandbox.get(one).status_code for one in (url, renewed)] == [403, 403]


def test_files_are_cut_or_html_or_fail_at_first(sandbox: Sandbox) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        sandbox.get(finished_url(sandbox, "[file=truncated]"))
    page = sandbox.get(finished_url(sandbox, "[file=html]"))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    flaky = finished_url(sandbox, "[file=flaky:2]")
    assert [sandbox.get(flaky).status_code for _ in range(3)] == [500, 500, 200]


def test_every_rate_has_its_effect(receiver: Receiver) -> None:
    with running(*QUICK) as sandbox:

        def struck(name: str, prompt: str, **fields: Any) -> Any:
            sandbox.ask("PUT", "/sandbox/faults", json={**dict.fromkeys(RATES, 0), name: 1})
            return sandbox.flux(prompt, **fields)

        with pytest.raises(requests.ConnectionError):
            struck("answer_lost", "a")
        assert struck("busy_429", "a")["code"] == 429
        assert struck("busy_503", "a")["code"] == 455
        for name in ("callback_lost", "callback_delayed", "callback_doubled", "callback_early"):
            struck(name, "a", callBackUrl=f"{receiver.url}/{name}")
        assert len(receiver.bodies("/callback_early")) == 1
        receiver.wait("/callback_delayed")
        receiver.wait("/callback_doubled", 2)
        assert receiver.bodies("/callback_lost") == []
        failed = struck("fail", "a")["data"]["taskId"]
        assert sandbox.ended(RECORD, failed, "successFlag", 2)["errorCode"] == 500
        struck("file_error", "a")
        url = finished_url(sandbox, "a")
        assert sandbox.get(url).status_code == 500
        struck("file_cut", "a")
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            sandbox.get(url)


def test_rates_are_shown_changed_and_validated() -> None:
    with running(*QUICK, "--faults", "fail=0.25") as sandbox:
        changed = sandbox.ask("PUT", "/sandbox/faults", json={"busy_429": 0.5}).json()
        assert changed == {**dict.fromkeys(RATES, 0), "fail": 0.25, "busy_429": 0.5}
        wrongs: list[Any] = [{"fial": 0.1, "fail": 0}, {"fail": 2}, {"fail": "x"}, []]
        for wrong in wrongs:
            refused = sandbox.ask("PUT", "/sandbox/faults", json=wrong)
            assert refused.status_code == 400
        assert sandbox.get("/sandbox/faults").json() == changed
        unknown = sandbox.ask("PUT", "/sandbox/faults", json={"fial": 0.1}).json()["error"]
        assert all(name in unknown for name in RATES)


def test_same_seed_gives_the_same_faults() -> None:
    def draw(seed: int) -> list[bool]:
        rates = Rates({"fail": 0.5}, seed)
        return [rates.should_occur("fail") for _ in range(64)]

    assert draw(1) == draw(1) != draw(2)
