"""Midjourney at kie.ai: images and videos from prompts and images, and work on its results.

Source: docs.kie.ai/mj-api as published until December 2025; the callback page is the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..base import Request
from ..wire import ProviderRequest, ResultImage
from . import tasks
from .midjourney_requests import VIDEO_TASKS, Edit, Extend, Generate, Upscale, Vary
from .provider import KieProvider
from .responses import to_camel_case

_PATHS: Mapping[type[Request], str] = {
    Generate: "/api/v1/mj/generate",
    Edit: "/api/v1/mj/generate",
    Upscale: "/api/v1/mj/generateUpscale",
    Vary: "/api/v1/mj/generateVary",
    Extend: "/api/v1/mj/generateVideoExtend",
}
_RENAMED = {"image_urls": "fileUrls", "omni_weight": "ow", "watermark": "waterMark"}


class KieMidjourney(KieProvider):
    """Status responses and callbacks list their URLs differently; each may have either list."""

    name = "kie-midjourney"
    actions: ClassVar[Mapping[str, type[Request]]] = {
        "generate": Generate,
        "edit": Edit,
        "upscale": Upscale,
        "vary": Vary,
        "extend": Extend,
    }

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """Each action has a path of its own; see `_PATHS`."""
        fields = request.model_dump(exclude_none=True)
        match request:
            case Generate() | Edit():
                fields["task_type"] = f"mj_{request.task_type}"
                if request.task_type in VIDEO_TASKS:
                    fields.setdefault("motion", "high")  # the API's default, yet it must be sent
            case Extend():
                fields["task_type"] = f"mj_video_extend_{fields.pop('mode')}"
                if not request.prompt:
                    del fields["prompt"]
        body = to_camel_case(fields, _RENAMED)
        if callback_url:
            body["callBackUrl"] = callback_url
        return ProviderRequest(method="POST", path=_PATHS[type(request)], body=body)

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`GET /api/v1/mj/record-info`, free of charge."""
        return ProviderRequest(
            method="GET", path="/api/v1/mj/record-info", query={"taskId": task_id}
        )

    def parse_images(self, data: Mapping[str, Any]) -> tuple[ResultImage, ...]:
        """Callbacks list the URLs in `data`, status responses in `resultInfoJson`.

        There are four images, or one video.
        """
        listed = tasks.to_images(data.get("resultUrls"))
        return listed or tasks.to_images(data.get("resultInfoJson"))
