"""Documented bodies with any of their values as JSON in a string are parsed to the same images."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.providers import PROVIDERS
from imagequeue.providers.conformance.cases import Case
from imagequeue.providers.parsing import to_urls
from imagequeue.providers.wire import (
    MalformedResponseError,
    ProviderResponse,
    ResultImage,
    StatusUnavailable,
    Succeeded,
    Unreadable,
    select_images,
)
from support.recorded import CASES

URL, OTHER = "https://a.example/r.png", "https://a.example/s.png"
FINISHED = [case for case in CASES.values() if case.expect["type"] == "Succeeded"]


def wrap(draw: st.DrawFn, value: Any) -> Any:
    """The value with some of its parts, and perhaps the whole, as JSON in a string."""
    if isinstance(value, dict):
        value = {name: wrap(draw, each) for name, each in value.items()}
    elif isinstance(value, list):
        value = [wrap(draw, each) for each in value]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        value = json.dumps(value)
    return value


@st.composite
def wrapped(draw: st.DrawFn, case: Case) -> bytes:
    return json.dumps(wrap(draw, case.body)).encode()


@given(data=st.data(), case=st.sampled_from(FINISHED))
def test_values_in_strings_give_the_same_images(data: st.DataObject, case: Case) -> None:
    assert case.parse(data.draw(wrapped(case))) == case.parse()


def kie_record(**result: Any) -> dict[str, Any]:
    return {"code": 200, "msg": "ok", "data": {"taskId": "t", "state": "success", **result}}


def ace_record(data: Any) -> dict[str, Any]:
    return {"id": "t", "response": {"success": True, "task_id": "t", "data": data}}


BODIES: list[tuple[str, Any]] = [
    ("kie-flux-kontext", kie_record(resultJson=json.dumps({"resultUrls": json.dumps([URL])}))),
    ("kie-flux-kontext", kie_record(resultJson={"resultUrls": URL})),
    ("kie-flux-kontext", kie_record(resultJson={"resultUrls": f' "{URL}"\n'})),
    ("kie-flux-kontext", kie_record(resultJson=json.dumps([URL]))),
    ("kie-flux-kontext", kie_record(resultUrls=[URL])),
    ("kie-flux-kontext", kie_record(response={"resultImageUrl": [URL]})),
    ("kie-flux-kontext", kie_record(info=json.dumps({"resultImageUrl": f"<{URL}>"}))),
    ("kie-midjourney", kie_record(resultUrls=json.dumps([URL]))),
    ("kie-midjourney", kie_record(resultUrls=URL)),
    ("kie-midjourney", kie_record(resultInfoJson={"resultUrls": [{"resultUrl": f"{URL} "}]})),
    ("kie-midjourney", kie_record(resultJson=json.dumps({"resultUrls": [URL]}))),
    ("kie-midjourney", {**kie_record(resultUrls=[URL]), "code": "200"}),
    ("acedata-flux", ace_record({"image_url": URL})),
    ("acedata-flux", ace_record(json.dumps([{"image_url": URL}]))),
    ("acedata-flux", ace_record([json.dumps({"image_url": [URL]})])),
    ("acedata-flux", ace_record([URL])),
    ("acedata-flux", {"id": "t", "response": {"success": "true", "image_url": f"'{URL}'"}}),
    ("kie", kie_record(resultJson=json.dumps({"images": [{"url": URL, "width": 1}]}))),
    ("kie", kie_record(resultJson={"resultUrls": {"0": URL}})),
    ("kie", kie_record(resultUrls=URL.replace("/", "\\/"))),
    ("kie", kie_record(resultUrls=f"{URL}\\n")),
    ("kie", kie_record(resultUrls=quote(URL, ""))),
    ("kie", kie_record(resultUrls=[URL.removeprefix("https:")])),
    ("kie", kie_record(resultUrls=["", None, [URL]])),
    ("kie", kie_record(resultUrls=[URL], state="completed")),
    ("kie", kie_record(resultUrls=[URL], state=None)),
    ("kie", {"code": 200, "taskId": "t", "resultUrls": [URL]}),
    ("kie", {"data": kie_record(resultUrls=[URL])["data"]}),
    ("kie", [kie_record(resultUrls=[URL])]),
    ("kie-midjourney", kie_record(state=None, successFlag="1.0", resultUrls=[URL])),
    ("kie-midjourney", kie_record(state=None, successFlag=True, resultUrls=[URL])),
    ("acedata", ace_record({"images": [{"url": URL}]})),
    ("acedata", ace_record([{"image_url": {"url": URL}}])),
    ("acedata", {"id": "t", "response": [{"success": 1, "data": [URL]}]}),
    ("acedata", {"id": "t", "response": {"success": "yes", "data": [URL]}}),
    ("acedata", {"id": "t", "response": {"success": True, "data": [URL], "error": {"code": None}}}),
    ("acedata", {"id": "t", "response": {"data": [URL], "error": "null"}}),
]


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_undocumented_nesting_gives_the_image(name: str, body: Any) -> None:
    response = ProviderResponse(status=200, body=json.dumps(body).encode())
    status = PROVIDERS[name].parse_status_response(response, PROVIDERS[name].api_versions[0])
    assert isinstance(status, Succeeded)
    assert [image.url for image in status.images] == [URL]


@pytest.mark.parametrize("between", [",", " , ", "\n", ";", "|", " "])
def test_urls_in_one_text_are_all_read(between: str) -> None:
    assert to_urls(f"{URL}{between}{OTHER}") == [URL, OTHER]


def test_url_with_a_space_or_a_comma_is_one_url() -> None:
    assert to_urls("https://a.example/my cat,1.png") == ["https://a.example/my%20cat,1.png"]


@pytest.mark.parametrize("task_id", [" 7\n", 7, 7.0, '"7"'])
def test_id_of_a_task_is_the_same_however_it_is_written(task_id: Any) -> None:
    body = json.dumps(kie_record(resultUrls=[URL], taskId=task_id)).encode()
    assert getattr(PROVIDERS["kie"].parse_callback(body), "task_id", None) == "7"


def test_repeated_url_is_one_image() -> None:
    images = [ResultImage(url=URL), ResultImage(url=OTHER), ResultImage(url=URL, kind="origin")]
    assert [image.url for image in select_images(images)] == [URL, OTHER]
    assert select_images(images)[0].kind == "result"


@pytest.mark.parametrize("state", [{"state": None}, {"state": "paused"}, {"successFlag": None}])
def test_unknown_state_without_a_url_is_no_success(state: dict[str, Any]) -> None:
    body = json.dumps({"code": 200, "data": {"taskId": "t", "resultJson": "", **state}}).encode()
    with pytest.raises(MalformedResponseError, match="state"):
        PROVIDERS["kie"].parse_status_response(ProviderResponse(status=200, body=body), "")


def test_failed_status_request_fails_no_task() -> None:
    body = json.dumps({"code": 500, "msg": "down", "data": {"state": None}}).encode()
    response = ProviderResponse(status=200, body=body)
    assert isinstance(PROVIDERS["kie"].parse_status_response(response, ""), StatusUnavailable)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("kie-flux-kontext", kie_record(resultJson={"images": {"file": "r.png"}})),
        ("kie", kie_record(resultUrls=["", None])),
        ("kie", kie_record(resultUrls="null")),
        ("acedata", ace_record([{"image_url": ""}])),
        ("acedata", {**ace_record(None), "finished_at": 1.5}),
        ("kie-midjourney", kie_record()),
        ("acedata-flux", ace_record([{"href": URL}])),
    ],
)
def test_success_without_readable_url_is_unreadable(name: str, body: Any) -> None:
    response = ProviderResponse(status=200, body=json.dumps(body).encode())
    status = PROVIDERS[name].parse_status_response(response, PROVIDERS[name].api_versions[0])
    assert isinstance(status, Unreadable)
    assert status.task_id == "t"
