"""Flux at AceData Cloud: images from a prompt, and edits of one image.

Requests are always asynchronous. `api_version` is the action of an edit: `edits` in the user's
document, `edit` in the current one. Source: both, and the official OpenAPI of 2026-08-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from ...errors import Problem
from ..base import ImageURL, Prompt, Request
from ..wire import MAX_IMAGES, ProviderRequest, ProviderResponse, SubmitOutcome
from . import responses
from .provider import COMMON_LIMITS, AceDataProvider

Pixels = Literal["1024x1024", "1024x1792", "1792x1024"]
Ratio = Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"]

FLUX_LIMITS = replace(COMMON_LIMITS, tasks=5, max_in_flight=10)

_TAKES_PIXELS = ("flux-dev", "flux-pro")
_NEEDS_RATIO = ("flux-2-flex", "flux-2-pro", "flux-2-max")


class Generate(Request):
    """Images from a prompt."""

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
    count: int | None = Field(
        None, ge=1, le=MAX_IMAGES, description="How many images, each paid; default 1."
    )

    def find_conflicts(self) -> Sequence[Problem]:
        """Check that the model accepts the size."""
        if self.size is None and self.model in _NEEDS_RATIO:
            return [Problem("params.size", f"{self.model} needs a ratio, such as 1:1")]
        if "x" in (self.size or "") and self.model not in _TAKES_PIXELS:
            return [Problem("params.size", f"{self.model} takes a ratio, such as 1:1, not pixels")]
        return []


class Edit(Request):
    """One image, changed as the prompt says."""

    prompt: Prompt = Field(description="What to change.")
    image_urls: list[ImageURL] = Field(
        min_length=1, max_length=1, description="The one image to edit."
    )
    model: Literal["flux-kontext-pro", "flux-kontext-max"] = Field(
        "flux-kontext-pro", description="The Flux model; only these two edit."
    )
    size: Ratio | None = Field(None, description="The ratio of the result.")


class AceDataFlux(AceDataProvider):
    """One path for both actions."""

    name = "acedata-flux"
    service = "flux"
    limits = FLUX_LIMITS
    actions: ClassVar[Mapping[str, type[Request]]] = {"generate": Generate, "edit": Edit}
    api_versions = ("edits", "edit")
    count_param = "count"

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """`POST /flux/images`; without the last field it would block for minutes."""
        fields = request.model_dump(exclude_none=True)
        action = "generate"
        if image_urls := fields.pop("image_urls", None):
            action = api_version
            fields["image_url"] = image_urls[0]
        mode = {"callback_url": callback_url} if callback_url else {"async": True}
        return ProviderRequest(
            method="POST", path="/flux/images", body={"action": action, **fields, **mode}
        )

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """`edits` may be an action that it no longer knows."""
        return responses.parse_submit_response(response, "edit" if api_version == "edits" else None)
