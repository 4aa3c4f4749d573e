"""kie.ai's unified API: one endpoint for all of its models, which `params.model` selects.

Source: docs.kie.ai/market (quickstart, get-task-detail and the models' pages), read 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..base import Request
from ..catalogue_provider import CatalogueProvider
from ..parsing import decode, find_urls, to_object
from ..wire import ProviderRequest, ProviderResponse, Refused, ResultImage, SubmitOutcome
from . import tasks
from .provider import KieProvider

STATUS_PATH = "/api/v1/jobs/recordInfo"
SUBMIT_PATH = "/api/v1/jobs/createTask"
_NO_SUCH_MODEL = re.compile(
    r"page (?:does not|doesn't) exist|model (?:name )?(?:you specified )?is not supported",
    re.IGNORECASE,
)


class KieJobs(KieProvider, CatalogueProvider):
    """Callbacks and status responses have the same `data`."""

    name = "kie"
    package = __package__

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """`POST /api/v1/jobs/createTask`."""
        fields = request.model_dump(by_alias=True, exclude_none=True)
        body: dict[str, object] = {"model": fields.pop("model"), "input": fields}
        if callback_url:
            body["callBackUrl"] = callback_url
        return ProviderRequest(method="POST", path=SUBMIT_PATH, body=body)

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """An unknown model is refused as a page that does not exist."""
        outcome = super().parse_submit_response(response, api_version)
        if isinstance(outcome, Refused) and _NO_SUCH_MODEL.search(outcome.message):
            message = f"kie has no such model, or no longer: {outcome.message}"
            return replace(outcome, message=message[:300])
        return outcome

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`GET /api/v1/jobs/recordInfo`, free of charge."""
        return ProviderRequest(method="GET", path=STATUS_PATH, query={"taskId": task_id})

    def parse_images(self, data: Mapping[str, Any]) -> tuple[ResultImage, ...]:
        """`resultJson` is a JSON string with a list of URLs, a video's frames, or an object."""
        result = decode(data.get("resultJson"))
        fields = to_object(result)
        frames = [fields.get("firstFrameUrl"), fields.get("lastFrameUrl")]
        found = (
            *tasks.to_images(result),
            *tasks.to_images(frames),
            *tasks.to_images(find_urls(fields.get("resultObject"))),
        )
        return tuple({image.url: image for image in found}.values())
