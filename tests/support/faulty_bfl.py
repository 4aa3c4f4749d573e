"""Faults that can be put into the example of a plug-in, each with the words that name it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from imagequeue.providers.base import Request
from imagequeue.providers.wire import (
    Accepted,
    MalformedResponseError,
    Pending,
    ProviderRequest,
    Refused,
    RetryLater,
    Succeeded,
    TryOtherVersion,
)
from support.bfl import load_plugin

bfl = load_plugin()
Whole: Any = bfl.BlackForestLabs
COUNTER = itertools.count()


def change(**fields: Any) -> Any:
    """Return a function that builds the request of the whole provider with other fields."""

    def build(self: Any, request: Any, callback_url: Any, api_version: str) -> ProviderRequest:
        built = Whole.build_submit_request(self, request, callback_url, api_version)
        values = {n: value() if callable(value) else value for n, value in fields.items()}
        body = {**built.body, **values.pop("body", {})}
        return replace(built, body=body, **values)

    return build


def outcome(**fields: Any) -> Any:
    """Return a function that parses as the whole provider, and returns something else for some."""
    wrong, when = fields["wrong"], fields["when"]

    def parse(self: Any, response: Any, api_version: str) -> Any:
        return wrong if when(response) else Whole.parse_submit_response(self, response, api_version)

    return parse


class ShownKey(bfl.BflAccount):  # type: ignore[name-defined, misc]
    api_key: str | None = Field(None, description="A key.")

    def headers(self) -> dict[str, str]:
        return {"x-key": self.api_key or ""}


class Trusting(bfl.BflAccount):  # type: ignore[name-defined, misc]
    def verify_callback(self, *_: Any) -> None:
        """Nothing is verified."""


class Keyless(bfl.BflAccount):  # type: ignore[name-defined, misc]
    def headers(self) -> dict[str, str]:
        return {}


class Undescribed(Request):
    prompt: str


class Unbounded(bfl.Generate):  # type: ignore[name-defined, misc]
    model_config = {"strict": False, "extra": "ignore"}  # noqa: RUF012


class Contradictory(bfl.Generate):  # type: ignore[name-defined, misc]
    def find_conflicts(self) -> Any:
        return [bfl.Problem("params.model", "no model will do")]


REFUSED = Refused(reason="provider", code="503", message="no")
LATER = RetryLater(code="503", message="no")
OTHER = TryOtherVersion(api_version="v1", code="400", message="no")


def parse_any(self: Any, body: bytes) -> Any:
    fields = bfl.parse_object(body)
    return Succeeded(images=(bfl.ResultImage(url=fields["result"]["sample"]),), task_id="t")


def parse_as_script(self: Any, body: bytes) -> Any:
    status = Whole.parse_callback(self, body)
    if not isinstance(status, Succeeded):
        return status
    return replace(status, images=(bfl.ResultImage(url="javascript:alert(1)"),))


def parse_id_leniently(self: Any, body: bytes) -> Any:
    return replace(Whole.parse_callback(self, body), task_id="the-only-task")


def parse_in_full(self: Any, response: Any, api_version: str) -> Any:
    status = Whole.parse_status_response(self, response, api_version)
    if isinstance(status, bfl.StatusUnavailable):
        return replace(status, message="x" * 301)
    return status


def parse_all_as_pending(self: Any, response: Any, api_version: str) -> Any:
    try:
        return Whole.parse_status_response(self, response, api_version)
    except MalformedResponseError:
        return Pending()


FAULTS: Mapping[str, tuple[dict[str, Any], str]] = {
    "random": (
        {"build_submit_request": change(body=lambda: {"n": next(COUNTER)})},
        "built in two ways",
    ),
    "a GET": ({"build_submit_request": change(method="GET")}, "must be a POST, not a GET"),
    "no callback URL": ({"build_submit_request": change(body={"webhook_url": None})}, "it lacks h"),
    "no prompt": ({"build_submit_request": change(body={"prompt": "x"})}, "it lacks a cat"),
    "path": ({"build_submit_request": change(path="v1?x=1")}, "must begin with a slash"),
    "callback of a poll": (
        {"build_submit_request": change(body={"u": "https://queue.example/callbacks/one/two"})},
        "a polled job has a callback URL",
    ),
    "sent again after an error": (
        {"parse_submit_response": outcome(wrong=LATER, when=lambda r: r.status >= 500)},
        "HTTP 502 with b'' gives RetryLater",
    ),
    "refused by a proxy": (
        {"parse_submit_response": outcome(wrong=REFUSED, when=lambda r: r.body == b"")},
        "HTTP 500 with b'' gives Refused",
    ),
    "sent again with a task": (
        {"parse_submit_response": outcome(wrong=OTHER, when=lambda r: r.status == 400)},
        "submit_accepted.json with HTTP 400 gives TryOtherVersion",
    ),
    "accepted without an id": (
        {
            "parse_submit_response": outcome(
                wrong=Accepted(task_id=""), when=lambda r: r.body == b"{}"
            )
        },
        "gives Accepted without a task's id",
    ),
    "crash": ({"parse_callback": parse_any}, "raised TypeError"),
    "no URL": ({"parse_callback": parse_as_script}, "gives the URL 'javascript:"),
    "other task": (
        {"parse_callback": parse_id_leniently},
        "no recorded callback of a success names its task",
    ),
    "long message": ({"parse_status_response": parse_in_full}, "a message of more than 300"),
    "wrong type": (
        {"parse_status_response": parse_all_as_pending},
        "status_200_page.json gives Pending instead of MalformedResponseError",
    ),
    "status request": (
        {"build_status_request": lambda *_: ProviderRequest(method="GET", path="/v1/get_result")},
        "GET /v1/get_result lacks the task's id",
    ),
    "key": ({"account": ShownKey}, "the setting api_key must be an OptionalSecret or Secrets"),
    "no key": ({"account": Keyless}, "headers() lacks the key"),
    "signature": ({"account": Trusting}, "a callback with a wrong signature is accepted"),
    "name": ({"name": "B F L"}, "the provider's name 'B F L' must be"),
    "no description": ({"actions": {"generate": Undescribed}}, "prompt lacks a description"),
    "no bounds": ({"actions": {"generate": Unbounded}}, "generate: a wrong image_urls is accepted"),
    "no valid request": ({"actions": {"generate": Contradictory}}, "no valid request could be"),
    "version": ({"api_versions": ("v1", "v2")}, "record an accepted submission in v2"),
}
