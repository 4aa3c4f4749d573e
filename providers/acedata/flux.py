"""Flux at AceData Cloud: pictures from words, and edits of one picture.

Asked asynchronously always. `api_version` is its word for an edit: the user's document says `edits`,
the current one `edit`. Source: both documents, and the official OpenAPI of 2026-08-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from ...errors import Problem
from ..base import BatchProvider, ImageURL, Prompt, Request
from ..wire import ProviderRequest, ProviderResponse, StatusUnavailable, SubmitOutcome, TaskStatus
from . import responses, tasks
from .account import AceDataAccount

Pixels = Literal["1024x1024", "1024x1792", "1792x1024"]
Ratio = Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"]

_TAKES_PIXELS = ("flux-dev", "flux-pro")
_NEEDS_RATIO = ("flux-2-flex", "flux-2-pro", "flux-2-max")


class Generate(Request):
    """Pictures from a prompt."""

    prompt: Prompt = Field(description="What to draw.")
    model: Literal[
        "flux-dev",
        "flux-pro",
        "flux-kontext-pro",
        "flux-kontext-max",
        "flux-2-flex",
        "flux-2-pro",
        "flux-2-max",
        "flux-2-klein",
    ] = Field("flux-dev", description="The Flux model.")
    size: Literal[Pixels, Ratio] | None = Field(
        None, description="A ratio, or pixels with flux-dev and flux-pro; some flux-2 need one."
    )
    count: int | None = Field(None, ge=1, description="How many pictures, each paid; default 1.")

    def conflicts(self) -> Sequence[Problem]:
        """Which models take which sizes."""
        if self.size is None and self.model in _NEEDS_RATIO:
            return [Problem("params.size", f"{self.model} needs a ratio, such as 1:1")]
        if "x" in (self.size or "") and self.model not in _TAKES_PIXELS:
            return [Problem("params.size", f"{self.model} takes a ratio, such as 1:1, not pixels")]
        return []


class Edit(Request):
    """One picture, changed as the prompt says."""

    prompt: Prompt = Field(description="What to change.")
    image_urls: list[ImageURL] = Field(
        min_length=1, max_length=1, description="The one picture to edit."
    )
    model: Literal["flux-kontext-pro", "flux-kontext-max"] = Field(
        "flux-kontext-pro", description="The Flux model; only these two edit."
    )
    size: Ratio | None = Field(None, description="The ratio of the result.")


class AceDataFlux(BatchProvider):
    """Its callbacks are unsigned, and its look-ups keep no status word."""

    name = "acedata-flux"
    account = AceDataAccount
    actions: ClassVar[Mapping[str, type[Request]]] = {"generate": Generate, "edit": Edit}
    api_versions = ("edits", "edit")
    max_batch_size = 50

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """`POST /flux/images`, which would hold the socket for minutes without the last field."""
        fields = request.model_dump(exclude_none=True)
        action = "generate"
        if image_urls := fields.pop("image_urls", None):
            action = api_version
            fields["image_url"] = image_urls[0]
        later = {"callback_url": callback_url} if callback_url else {"async": True}
        return ProviderRequest(
            method="POST", path="/flux/images", body={"action": action, **fields, **later}
        )

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """As all of AceData's; `edits` may be a word it no longer knows."""
        return responses.parse_submit_response(response, "edit" if api_version == "edits" else None)

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`POST /flux/tasks`, free of charge."""
        return ProviderRequest(
            method="POST", path="/flux/tasks", body={"action": "retrieve", "id": task_id}
        )

    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """As all of AceData's."""
        return tasks.parse_status_response(response)

    def build_batch_status_request(self, task_ids: Sequence[str]) -> ProviderRequest:
        """`POST /flux/tasks` for several, free of charge as well."""
        body: dict[str, object] = {"action": "retrieve_batch", "ids": list(task_ids)}
        return ProviderRequest(method="POST", path="/flux/tasks", body=body)

    def parse_batch_status_response(
        self, response: ProviderResponse
    ) -> Mapping[str, TaskStatus] | StatusUnavailable:
        """As all of AceData's."""
        return tasks.parse_batch_status_response(response)

    def parse_callback(self, body: bytes) -> TaskStatus:
        """As all of AceData's."""
        return tasks.parse_callback(body)
