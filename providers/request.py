"""The request for a job as a user sends it, in the form that all providers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidRequestError, Problem
from ..field_types import Duration, HttpURL, Name, URLText
from ..image_names import ImageName
from ..json_values import JsonObject

MAX_PROMPT_CHARACTERS = 20_000
MAX_NAME_CHARACTERS = 100
MAX_IMAGE_URLS = 64
MAX_FALLBACKS = 3
MAX_AFTER = 16

TOP_LEVEL = ("prompt", "image_urls")
"""The fields of a provider's request that stand outside of a job request's `params`."""

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""Every priority, the highest first."""


class FallbackRequest(BaseModel):
    """Another provider for the same action, prompt and images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(max_length=MAX_NAME_CHARACTERS)
    params: JsonObject = Field(default_factory=dict, description="Its own parameters.")


class JobRequest(BaseModel):
    """Which provider is to do what, and how the result is delivered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(max_length=MAX_NAME_CHARACTERS, examples=["kie-flux-kontext"])
    action: str = Field(
        "generate",
        max_length=MAX_NAME_CHARACTERS,
        description="`generate` or `edit`; Midjourney offers more.",
    )
    prompt: str = Field("", max_length=MAX_PROMPT_CHARACTERS)
    image_urls: tuple[URLText, ...] = Field(
        (),
        max_length=MAX_IMAGE_URLS,
        description="The images that an edit starts from: URLs, `upload_01...`, or `job_01...` for "
        "the first image of another job, `job_01.../1` for its second.",
    )
    params: JsonObject = Field(
        default_factory=dict, description="The provider's parameters; unknown ones are refused."
    )
    fallback: tuple[FallbackRequest, ...] = Field(
        (),
        max_length=MAX_FALLBACKS,
        description="Where the job is sent, in this order, if its provider certainly does not take "
        "it: without credit, with every key refused, or while it is down.",
    )
    priority: Priority = Field(
        "normal", description="Jobs of a higher priority leave first; a key may limit it."
    )
    not_before: AwareDatetime | None = Field(
        None,
        description="The job is sent at this time at the earliest, within 30 days; with a time "
        "zone.",
    )
    after: tuple[Name, ...] = Field(
        (),
        max_length=MAX_AFTER,
        description="Ids of jobs that have to succeed first. If one does not, this job is "
        "cancelled.",
    )
    delivery: Literal["auto", "callback", "poll"] = Field(
        "auto", description="`auto`: callback if a public URL is set, else poll."
    )
    reuse: Duration | None = Field(
        None,
        description="Return a job of yours that succeeded within this time, such as `24h`, for the "
        "same request, and pay nothing.",
    )
    webhook_url: HttpURL | None = Field(
        None, description="Receives the job's final state, instead of the default URL."
    )
    image_name: ImageName | None = Field(
        None,
        description="How the saved images are named, such as `{metadata.sku}/{index}.{ext}`; by "
        "default `{job}/{index}.{ext}`. Fields: `job`, `index`, `ext`, `kind`, `provider`, "
        "`model`, `batch`, `date`, `metadata.NAME`.",
    )
    metadata: JsonObject = Field(
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
            describe_unknown_field(detail["loc"])
            if detail["type"] == "extra_forbidden"
            else detail["msg"].removeprefix("Value error, "),
        )
        for detail in error.errors(include_url=False, include_input=False)
    ]


def describe_unknown_field(place: Sequence[object]) -> str:
    """Return what to say of an unknown field at this place of a request."""
    model = JobRequest if len(place) == 1 else FallbackRequest
    return f"unknown field; known: {', '.join(model.model_fields)}"
