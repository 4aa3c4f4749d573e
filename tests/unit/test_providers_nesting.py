"""Documented bodies with any of their values as JSON in a string are parsed to the same images."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.providers import PROVIDERS
from imagequeue.providers.conformance.cases import Case
from imagequeue.providers.wire import ProviderResponse, Succeeded, Unreadable
from support.recorded import CASES

URL = "https://a.example/r.png"
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
]


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_undocumented_nesting_gives_the_image(name: str, body: Any) -> None:
    response = ProviderResponse(status=200, body=json.dumps(body).encode())
    status = PROVIDERS[name].parse_status_response(response, PROVIDERS[name].api_versions[0])
    assert isinstance(status, Succeeded)
    assert [image.url for image in status.images] == [URL]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("kie-flux-kontext", kie_record(resultJson={"images": {"href": URL}})),
        ("kie-midjourney", kie_record()),
        ("acedata-flux", ace_record([{"href": URL}])),
    ],
)
def test_success_without_readable_url_is_unreadable(name: str, body: Any) -> None:
    response = ProviderResponse(status=200, body=json.dumps(body).encode())
    status = PROVIDERS[name].parse_status_response(response, PROVIDERS[name].api_versions[0])
    assert isinstance(status, Unreadable)
    assert status.task_id == "t"
