"""The request for a job as a user sends it, in the form that all providers share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidRequestError, Problem
from ..field_types import HttpURL

MAX_METADATA_BYTES = 16 * 1024
MAX_PROMPT_CHARACTERS = 20_000


def _check_size(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError):
        raise ValueError("must be JSON: text in UTF-8, numbers, lists and objects") from None
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


class JobRequest(BaseModel):
    """Which provider is to do what, and how the result is delivered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(examples=["kie-flux-kontext"])
    action: str = Field("generate", description="`generate` or `edit`; Midjourney offers more.")
    prompt: str = Field("", max_length=MAX_PROMPT_CHARACTERS)
    image_urls: tuple[str, ...] = Field((), description="The images that an edit starts from.")
    params: dict[str, Any] = Field(
        default_factory=dict, description="The provider's parameters; unknown ones are refused."
    )
    delivery: Literal["auto", "callback", "poll"] = Field(
        "auto", description="`auto`: callback if a public URL is set, else poll."
    )
    webhook_url: HttpURL | None = Field(
        None, description="Receives the job's final state, instead of the default URL."
    )
    metadata: Annotated[dict[str, Any], AfterValidator(_check_size)] = Field(
        default_factory=dict, description="Yours: stored with the job, never sent to the provider."
    )


def parse_request(fields: Mapping[str, Any]) -> JobRequest:
    """Return the request, not validated by its provider; raises InvalidRequestError."""
    try:
        return JobRequest.model_validate(dict(fields))
    except ValidationError as error:
        raise InvalidRequestError(_to_problems(error)) from None


def _to_problems(error: ValidationError) -> list[Problem]:
    return [
        Problem(
            ".".join(str(part) for part in detail["loc"]) or "request",
            _to_message(detail["type"], detail["msg"]),
        )
        for detail in error.errors(include_url=False, include_input=False)
    ]


def _to_message(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"unknown field; known: {', '.join(JobRequest.model_fields)}"
    return message.removeprefix("Value error, ")
