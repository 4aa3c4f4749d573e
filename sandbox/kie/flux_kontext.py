"""kie.ai Flux Kontext on its own endpoints, the older form that the user's document shows."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..clock import iso
from ..fields import Fields
from ..files import origin_url
from ..submit_route import submit_route
from ..tasks import Order, Task
from .api import RATIOS, KieWire, envelope, message_of

OUT_OF_TOLERANCE = "The security tolerance level is out of range and should be 0-2 or 0-6"
CREDITS = {"flux-kontext-pro": 5, "flux-kontext-max": 10}
_SUCCESS_FLAGS = {"generating": 0, "success": 1}


class KieFlux(KieWire):
    """`/api/v1/flux/kontext`: generate, look up, call back."""

    name = "kie-flux"
    provider = "kie-flux-kontext"

    def routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, "/api/v1/flux/kontext/generate", self._read),
            Route("/api/v1/flux/kontext/record-info", self.record_info),
        ]

    async def record_info(self, request: Request) -> Response:
        """Tell how a task stands."""
        task = self.asked_for(request, "The record does not exist")
        state = task.state(self.box.clock.now())
        fail = task.faults.fail if state == "fail" else None
        data: dict[str, Any] = {
            "taskId": task.task_id,
            "paramJson": json.dumps(task.order.body),
            # 3 is a failed generation, 2 one that failed before it began.
            "successFlag": _SUCCESS_FLAGS.get(state, 2 if fail == 500 else 3),
            "errorCode": fail,
            "errorMessage": message_of(fail) if fail else "",
            "createTime": iso(task.created_at),
        }
        if state != "generating":
            data["completeTime"] = iso(task.ends_at)
        if state == "success":
            data["response"] = _image_urls(task)
        return JSONResponse(envelope(200, "success", data))

    def callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Report the end; a failure's URLs are empty strings, not absent."""
        code = task.faults.fail
        if code is None:
            data = {"taskId": task_id, "info": _image_urls(task)}
            return envelope(200, "BFL image generated successfully.", data)
        info = {"originImageUrl": "", "resultImageUrl": ""}
        return envelope(code, message_of(code), {"taskId": task_id, "info": info})

    def _read(self, fields: Fields) -> Order:
        prompt = fields.text("prompt", required=True)
        image = fields.url("inputImage")
        if not 0 <= fields.integer("safetyTolerance", 2) <= (2 if image else 6):
            raise self.refusal(500, OUT_OF_TOLERANCE)
        fields.flags("enableTranslation", "uploadCn", "promptUpsampling")
        fields.text("watermark")
        # An edit without a ratio keeps its source's, which the sandbox never fetches: a square.
        return Order(
            prompt=prompt,
            body=fields.body,
            callback_url=fields.url("callBackUrl"),
            credits=CREDITS[fields.choice("model", CREDITS, "flux-kontext-pro")],
            ratio=fields.choice("aspectRatio", RATIOS, "1:1" if image else "16:9"),
            extension=fields.choice("outputFormat", ("jpeg", "png"), "jpeg"),
            edit=image is not None,
        )


def _image_urls(task: Task) -> dict[str, str]:
    return {"originImageUrl": origin_url(task), "resultImageUrl": task.urls()[0]}
