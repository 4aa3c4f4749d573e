"""Flux Kontext at kie.ai: images from a prompt, and edits of one image.

Two API versions, `legacy` (flux/kontext/generate) and `jobs` (jobs/createTask, since autumn 2026).
Source: docs.kie.ai/flux-kontext-api, docs.kie.ai/market/common/get-task-detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import Field

from ...errors import InvalidRequestError, Problem
from ..base import ImageURL, Prompt, Request
from ..parsing import to_object, to_url
from ..wire import ProviderRequest, ResultImage
from . import tasks
from .provider import KieProvider
from .responses import to_camel_case

CREDITS = {"flux-kontext-pro": Decimal(5), "flux-kontext-max": Decimal(10)}
"""The price of one image."""
ORIGIN_LIFETIME_S = 600
"""How long `originImageUrl` lives, according to the callback page."""


class Generate(Request):
    """An image from a prompt."""

    prompt: Prompt = Field(description="What to draw; the models read English.")
    model: Literal["flux-kontext-pro", "flux-kontext-max"] = Field(
        "flux-kontext-pro", description="The jobs API offers the default only."
    )
    aspect_ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] | None = Field(
        None, description="Default 16:9; an edit keeps the ratio of its image."
    )
    output_format: Literal["jpeg", "png"] | None = Field(None, description="Default jpeg.")
    enable_translation: bool | None = Field(
        None, description="Translate the prompt to English first; default true."
    )
    upload_cn: bool | None = Field(None, description="Keep the result on servers in China.")
    prompt_upsampling: bool | None = Field(
        None, description="Let the model elaborate the prompt; default false."
    )
    safety_tolerance: int | None = Field(
        None, ge=0, le=6, description="0 is strict, 6 lenient; default 2."
    )
    watermark: str | None = Field(None, description="A text to put on the image.")


class Edit(Generate):
    """One image, changed as the prompt says."""

    prompt: Prompt = Field(description="What to change; the models read English.")
    image_urls: list[ImageURL] = Field(
        min_length=1, max_length=1, description="The one image to edit."
    )
    safety_tolerance: int | None = Field(
        None, ge=0, le=2, description="0 is strict, 2 the most lenient for edits; default 2."
    )


class KieFluxKontext(KieProvider):
    """Callbacks may have either version's shape, whichever the task was submitted in."""

    name = "kie-flux-kontext"
    actions: ClassVar[Mapping[str, type[Request]]] = {"generate": Generate, "edit": Edit}
    api_versions = ("legacy", "jobs")

    def estimate(self, action: str, request: Request) -> Decimal | None:
        """The price depends on the model alone."""
        return CREDITS[request.model_dump(include={"model"})["model"]]

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """The jobs API nests our own field names; the legacy API spells them in camelCase."""
        fields = request.model_dump(exclude_none=True)
        if image_urls := fields.pop("image_urls", None):
            fields["input_image"] = image_urls[0]
        body: dict[str, object]
        if api_version == "jobs":
            if fields.pop("model") == "flux-kontext-max":
                raise InvalidRequestError([Problem("params.model", "not offered by the jobs API")])
            path = "/api/v1/jobs/createTask"
            body = {"model": "flux1-kontext", "input": fields}
        else:
            path = "/api/v1/flux/kontext/generate"
            body = to_camel_case(fields, renamed={})
        if callback_url:
            body["callBackUrl"] = callback_url
        return ProviderRequest(method="POST", path=path, body=body)

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`GET …/recordInfo` or `GET …/record-info`, free of charge."""
        path = "jobs/recordInfo" if api_version == "jobs" else "flux/kontext/record-info"
        return ProviderRequest(method="GET", path=f"/api/v1/{path}", query={"taskId": task_id})

    def parse_images(self, data: Mapping[str, Any]) -> tuple[ResultImage, ...]:
        """Status responses call the pair of URLs `response`, callbacks `info`.

        The jobs API lists its URLs in a JSON string.
        """
        pair = to_object(data.get("response")) or to_object(data.get("info"))
        images = tasks.to_images(pair) + tasks.to_images(data.get("resultJson"))
        if origin := to_url(pair.get("originImageUrl")):
            images += (ResultImage(url=origin, lifetime_s=ORIGIN_LIFETIME_S, kind="origin"),)
        return images
