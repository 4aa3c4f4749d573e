"""kie.ai's unified jobs: the current form of Flux Kontext, and flux-2 beside it."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..fields import Fields
from ..submit_route import submit_route
from ..tasks import Order, Task
from .api import RATIOS, KieWire, envelope, message_of
from .flux_kontext import OUT_OF_TOLERANCE

CREDITS = {
    "flux1-kontext": 5,
    "custom_flux_kontext": 5,
    "flux-2/pro-text-to-image": 5,
    "flux-2/pro-image-to-image": 5,
    "flux-2/flex-text-to-image": 14,
    "flux-2/flex-image-to-image": 14,
}
_FLUX_2_RATIOS = (*RATIOS, "3:2", "2:3", "auto")


class KieJobs(KieWire):
    """`/api/v1/jobs`: createTask, recordInfo, and a callback with the same data as a look-up."""

    name = "kie-jobs"
    provider = "kie-flux-kontext"

    def routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, "/api/v1/jobs/createTask", self._read),
            Route("/api/v1/jobs/recordInfo", self.record_info),
        ]

    async def record_info(self, request: Request) -> Response:
        """Tell how a task stands."""
        task = self.asked_for(request, "recordInfo is null")
        return JSONResponse(envelope(200, "success", self._record(task, task.task_id)))

    def callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Report the end; every failure is a 501, its own code is inside."""
        data = self._record(task, task_id)
        if task.faults.fail is None:
            return envelope(200, "Playground task completed successfully.", data)
        return envelope(501, "Playground task failed.", data)

    def _record(self, task: Task, task_id: str) -> dict[str, object]:
        now = self.box.clock.now()
        state = task.state(now)
        fail = task.faults.fail if state == "fail" else None
        ended = state != "generating"
        return {
            "taskId": task_id,
            "model": task.order.body["model"],
            "state": state if ended else _progress(task, now),
            "param": json.dumps(task.order.body),
            # A string of JSON inside the JSON: kie's own form.
            "resultJson": json.dumps({"resultUrls": task.urls()}) if state == "success" else "",
            "failCode": str(fail) if fail else "",
            "failMsg": message_of(fail) if fail else "",
            "costTime": _milliseconds(task.ends_at - task.created_at) if ended else None,
            "completeTime": _milliseconds(task.ends_at) if ended else None,
            "createTime": _milliseconds(task.created_at),
            "updateTime": _milliseconds(min(now, task.ends_at)),
        }

    def _read(self, fields: Fields) -> Order:
        model = fields.choice("model", CREDITS)
        callback_url = fields.url("callBackUrl")
        inner = fields.inner("input")
        prompt = inner.text("prompt", required=True)
        kontext = not model.startswith("flux-2/")
        image = inner.url("input_image") if kontext else inner.urls("input_urls")
        if kontext:
            self._check_kontext(inner, edit=bool(image))
        ratios = RATIOS if kontext else _FLUX_2_RATIOS
        ratio = inner.choice("aspect_ratio", ratios, "1:1" if image else "16:9")
        return Order(
            prompt=prompt,
            body=fields.body,
            callback_url=callback_url,
            credits=CREDITS[model],
            ratio="1:1" if ratio == "auto" else ratio,
            extension=inner.choice("output_format", ("jpeg", "png"), "jpeg"),
            edit=bool(image),
        )

    def _check_kontext(self, inner: Fields, *, edit: bool) -> None:
        inner.flags("enable_translation", "upload_cn", "prompt_upsampling")
        inner.text("watermark")
        if not 0 <= inner.integer("safety_tolerance", 2) <= (2 if edit else 6):
            raise self.refusal(500, OUT_OF_TOLERANCE)


def _progress(task: Task, now: float) -> str:
    """Name the stage of a task under way; a stuck one never leaves the first."""
    done = (now - task.created_at) / (task.ends_at - task.created_at)
    return "waiting" if done < 0.1 else "queuing" if done < 0.25 else "generating"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
