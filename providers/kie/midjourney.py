"""Midjourney at responses.ai: pictures and videos from words and pictures, and work on its results.

Source: docs.kie.ai/mj-api as published until December 2025; the callback page is the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..base import Request
from ..parsing import as_object
from ..wire import ProviderRequest, ProviderResponse, ResultImage, SubmitOutcome, TaskStatus
from . import responses, tasks
from .midjourney_requests import VIDEO_TASKS, Edit, Extend, Generate, Upscale, Vary
from .refresh_url import KieUrlRefreshProvider
from .uploads import KieUploadProvider

_PATHS: Mapping[type[Request], str] = {
    Generate: "/api/v1/mj/generate",
    Edit: "/api/v1/mj/generate",
    Upscale: "/api/v1/mj/generateUpscale",
    Vary: "/api/v1/mj/generateVary",
    Extend: "/api/v1/mj/generateVideoExtend",
}
_RENAMED = {"image_urls": "fileUrls", "omni_weight": "ow", "watermark": "waterMark"}


class KieMidjourney(KieUploadProvider, KieUrlRefreshProvider):
    """Look-ups and callbacks list their URLs in different ways; either is read in both."""

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
        """One path an action; see `_PATHS`."""
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
        body = responses.camel_case(fields, _RENAMED)
        if callback_url:
            body["callBackUrl"] = callback_url
        return ProviderRequest(method="POST", path=_PATHS[type(request)], body=body)

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """As all of kie's."""
        return responses.parse_submit_response(response)

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`GET /api/v1/mj/record-info`, free of charge."""
        return ProviderRequest(
            method="GET", path="/api/v1/mj/record-info", query={"taskId": task_id}
        )

    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """As all of kie's, with Midjourney's lists of URLs."""
        return tasks.parse_status_response(response, _images)

    def parse_callback(self, body: bytes) -> TaskStatus:
        """As all of kie's, with Midjourney's lists of URLs."""
        return tasks.parse_callback(body, _images)


def _images(data: Mapping[str, Any]) -> tuple[ResultImage, ...]:
    """Callbacks list the URLs in `data` itself, look-ups in `resultInfoJson`: four, or a video."""
    listed = as_object(data.get("resultInfoJson")).get("resultUrls")
    return tasks.result_images(data.get("resultUrls")) or tasks.result_images(listed)
