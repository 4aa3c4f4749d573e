"""kie.ai Flux Kontext on its own endpoints, the legacy API of the user's document."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..clock import format_iso
from ..fields import Fields
from ..files import build_origin_url
from ..submit_route import submit_route
from ..tasks import Order, Task
from .api import RATIOS, KieApi, get_message, wrap

OUT_OF_TOLERANCE = "The security tolerance level is out of range and should be 0-2 or 0-6"
CREDITS = {"flux-kontext-pro": 5, "flux-kontext-max": 10}
_SUCCESS_FLAGS = {"generating": 0, "success": 1}


class KieFlux(KieApi):
    """`/api/v1/flux/kontext`: submit, status and callback."""

    name = "kie-flux"
    provider = "kie-flux-kontext"

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, "/api/v1/flux/kontext/generate", self._read_order),
            Route("/api/v1/flux/kontext/record-info", self.record_info),
        ]

    async def record_info(self, request: Request) -> Response:
        """Respond with a task's status."""
        task = self.find_task(request, "The record does not exist")
        state = task.state(self.state.clock.now())
        fail = task.faults.fail if state == "fail" else None
        data: dict[str, Any] = {
            "taskId": task.task_id,
            "paramJson": json.dumps(task.order.body),
            # 3 means that generation failed, 2 that it never began.
            "successFlag": _SUCCESS_FLAGS.get(state, 2 if fail == 500 else 3),
            "errorCode": fail,
            "errorMessage": get_message(fail) if fail else "",
            "createTime": format_iso(task.created_at),
        }
        if state != "generating":
            data["completeTime"] = format_iso(task.ends_at)
        if state == "success":
            data["response"] = _to_urls(task)
        return JSONResponse(wrap(200, "success", data))

    def build_callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the result; a failure's URLs are empty strings, not absent."""
        code = task.faults.fail
        if code is None:
            data = {"taskId": task_id, "info": _to_urls(task)}
            return wrap(200, "BFL image generated successfully.", data)
        info = {"originImageUrl": "", "resultImageUrl": ""}
        return wrap(code, get_message(code), {"taskId": task_id, "info": info})

    def _read_order(self, fields: Fields) -> Order:
        prompt = fields.read_text("prompt", required=True)
        image = fields.read_url("inputImage")
        if not 0 <= fields.read_integer("safetyTolerance", 2) <= (2 if image else 6):
            raise self.build_refusal(500, OUT_OF_TOLERANCE)
        fields.check_flags("enableTranslation", "uploadCn", "promptUpsampling")
        fields.read_text("watermark")
        # An edit without a ratio keeps its source's; the sandbox never fetches that and uses 1:1.
        return Order(
            prompt=prompt,
            body=fields.body,
            callback_url=fields.read_url("callBackUrl"),
            credits=CREDITS[fields.read_choice("model", CREDITS, "flux-kontext-pro")],
            ratio=fields.read_choice("aspectRatio", RATIOS, "1:1" if image else "16:9"),
            extension=fields.read_choice("outputFormat", ("jpeg", "png"), "jpeg"),
            edit=image is not None,
        )


def _to_urls(task: Task) -> dict[str, str]:
    return {"originImageUrl": build_origin_url(task), "resultImageUrl": task.urls()[0]}
