"""What every provider is: request models, and pure functions from and to wire bodies."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from ..errors import InvalidRequestError, Problem
from ..field_types import is_http_url
from .account import Account
from .wire import (
    ProviderRequest,
    ProviderResponse,
    ResultImage,
    StatusUnavailable,
    SubmitOutcome,
    TaskStatus,
)


def _http_url(url: str) -> str:
    """Refuse what a provider could not fetch; the URL itself is passed on untouched."""
    if not is_http_url(url):
        raise ValueError("must be an http:// or https:// URL")
    return url


Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
ImageURL = Annotated[str, AfterValidator(_http_url)]


class Request(BaseModel):
    """A checked request: `prompt` and `image_urls` where its action takes them, then `params`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def conflicts(self) -> Sequence[Problem]:
        """What is wrong between fields that are each right alone."""
        return ()


class Provider(ABC):
    """One image API. No HTTP, no clock and no Redis in it: the worker brings those."""

    name: ClassVar[str]
    account: ClassVar[type[Account]]
    """Whose settings, key and rate limit it uses."""
    actions: ClassVar[Mapping[str, type[Request]]]
    api_versions: ClassVar[tuple[str, ...]] = ("v1",)
    """The forms of the API it can speak; a job keeps the one it was sent in."""

    def request(
        self, action: str, prompt: str, image_urls: Sequence[str], params: Mapping[str, Any]
    ) -> Request:
        """Check a whole request; raises InvalidRequestError with every problem found."""
        model = self.actions.get(action)
        if model is None:
            raise InvalidRequestError(
                [Problem("action", f"{self.name} offers {', '.join(self.actions)}")]
            )
        fields: dict[str, Any] = dict(params)
        misplaced = [name for name in ("prompt", "image_urls") if name in fields]
        if misplaced:
            raise InvalidRequestError(
                [Problem(f"params.{n}", f"belongs beside params, as `{n}`") for n in misplaced]
            )
        if prompt or "prompt" in model.model_fields:
            fields["prompt"] = prompt
        if image_urls:
            fields["image_urls"] = list(image_urls)
        try:
            request = model.model_validate(fields)
        except ValidationError as error:
            raise InvalidRequestError(
                [_problem(model, detail) for detail in error.errors(include_url=False)]
            ) from None
        if conflicts := request.conflicts():
            raise InvalidRequestError(conflicts)
        return request

    @abstractmethod
    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """The call that asks, and pays, for the pictures.

        Raises InvalidRequestError where `api_version` has no words for what `request` asks.
        """

    @abstractmethod
    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """What the answer to a submission says; anything undocumented is `OutcomeUnknown`."""

    @abstractmethod
    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """The call that asks how a task is doing; free of charge."""

    @abstractmethod
    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """What a look-up says; raises MalformedResponseError on an undocumented body."""

    @abstractmethod
    def parse_callback(self, body: bytes) -> TaskStatus:
        """What a callback says, in any api_version; raises MalformedResponseError as `parse_status_response` does."""


class BatchProvider(Provider):
    """A provider that answers for several tasks in one request, whatever api_version they were sent in.

    One item that cannot be read must not spoil the others: its task is `StatusUnavailable`.
    """

    max_batch_size: ClassVar[int]
    """How many tasks one request may name."""

    @abstractmethod
    def build_batch_status_request(self, task_ids: Sequence[str]) -> ProviderRequest:
        """The call that asks how tasks are doing, `max_batch_size` of them at most."""

    @abstractmethod
    def parse_batch_status_response(
        self, response: ProviderResponse
    ) -> Mapping[str, TaskStatus] | StatusUnavailable:
        """What the answer says of each task, by its id, or why it says nothing of any.

        A task that it lacks is left out: the caller knows whom it asked for, and who is `TaskNotFound`.
        Raises MalformedResponseError on an undocumented body.
        """


class UrlRefreshProvider(Provider):
    """A provider that gives another URL for a picture whose own is refused or dead."""

    @abstractmethod
    def build_refresh_url_request(self, url: str) -> ProviderRequest:
        """The call that asks for another URL of the same file; free of charge."""

    @abstractmethod
    def parse_refresh_url_response(self, response: ProviderResponse) -> ResultImage:
        """The picture at its new URL; raises MalformedResponseError where none is given."""


def _problem(model: type[Request], detail: ErrorDetails) -> Problem:
    """One pydantic error as a field of the job request and what to change."""
    path = [str(part) for part in detail["loc"]]
    name = path[0] if path else ""
    top = name in ("prompt", "image_urls")
    where = ".".join(path if top else ["params", *path])
    if detail["type"] == "extra_forbidden":
        return Problem(where if not top else name, _unknown(model, name))
    if detail["type"] == "missing":
        return Problem(where, "is required for this action")
    if top and detail["type"] in ("string_too_short", "too_short"):
        return Problem(name, "must not be empty")
    return Problem(where, detail["msg"].removeprefix("Value error, "))


def _unknown(model: type[Request], name: str) -> str:
    if name in ("prompt", "image_urls"):
        return "this action takes none; leave it out"
    known = [field for field in model.model_fields if field not in ("prompt", "image_urls")]
    near = difflib.get_close_matches(name, known, n=1)
    return (
        f"unknown parameter; {f'did you mean {near[0]}?' if near else 'known: ' + ', '.join(known)}"
    )
