"""The bodies of OpenAI's requests for images, as JSON or as a form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InvalidRequestError, Problem
from ...providers.request import MAX_PROMPT_CHARACTERS, JobRequest
from .examples import MODEL

MAX_IMAGES = 10
JOB_FIELDS = frozenset(JobRequest.model_fields) - {"provider", "action", "prompt", "image_urls"}
"""The fields of a job request that a body may have, too."""


class ImageRequest(BaseModel):
    """A request for images; the model may have more of OpenAI's parameters, and its own."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(
        description="`provider/model`, or `provider` where none is needed; `GET /v1/models` "
        "lists all.",
        max_length=200,
        examples=[MODEL],
    )
    prompt: str = Field(max_length=MAX_PROMPT_CHARACTERS)
    n: int | None = Field(None, ge=1, le=MAX_IMAGES, description="How many images, each paid.")
    size: str | None = Field(
        None,
        max_length=40,
        description="`auto`, or pixels such as `1024x1024`: for a model that takes a ratio, "
        "exactly one of its own.",
    )
    response_format: Literal["url", "b64_json"] | None = Field(
        None, description="If it is omitted, each image has both."
    )
    user: str | None = Field(None, max_length=200, description="Stored in the job's metadata.")
    stream: Literal[False] | None = Field(None, description="Not supported.")
    params: dict[str, Any] = Field(
        default_factory=dict, description="Ours: the model's own parameters."
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Ours: stored with the job.")
    priority: Literal["high", "normal", "low"] = Field("normal", description="Ours.")

    @property
    def others(self) -> dict[str, Any]:
        """The other parameters of the model; null is the same as none."""
        extra = {k: v for k, v in (self.model_extra or {}).items() if v is not None}
        return {name: value for name, value in extra.items() if name not in JOB_FIELDS}

    @property
    def job_fields(self) -> dict[str, Any]:
        """Other fields of a job request, as `webhook_url`."""
        extra = self.model_extra or {}
        return {name: extra[name] for name in JOB_FIELDS if name in extra}


def parse_form(texts: Sequence[tuple[str, str]]) -> ImageRequest:
    """Return the request in the texts of a form; raises InvalidRequestError.

    `params[seed]=7` is a member of an object, and `name[]=7` of a list, as the SDKs write them.
    """
    body: dict[str, Any] = {}
    for name, text in texts:
        key, *members = name.replace("]", "").split("[")
        if members:
            _put(body, key, members, text)
        else:
            body[key] = _parse_object(name, text) if key in JOB_FIELDS else text
    body = {name: value for name, value in body.items() if value != ""}
    try:
        return ImageRequest.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise InvalidRequestError(
            [Problem(".".join(map(str, each["loc"])), each["msg"]) for each in found]
        ) from None


def _put(there: dict[str, Any], name: str, members: Sequence[str], text: str) -> None:
    """Put a text where `name[member]...` says; raises InvalidRequestError if it cannot be there."""
    member, *rest = members
    inner = there.setdefault(name, {} if member else [])
    if isinstance(inner, dict) and member:
        if rest:
            _put(inner, member, rest, text)
        else:
            inner[member] = text
    elif isinstance(inner, list) and not member and not rest:
        inner.append(text)
    else:
        raise InvalidRequestError([Problem(name, "is given in two forms: use one of them")])


def _parse_object(name: str, text: str) -> Any:
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidRequestError([Problem(name, "is not JSON")]) from None
