"""kie.ai's jobs API: the current version of Flux Kontext, and flux-2."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..fields import Fields
from ..submit_route import submit_route
from ..tasks import Order, Task
from .api import RATIOS, KieApi, get_message, wrap
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


class KieJobs(KieApi):
    """`/api/v1/jobs`: createTask, recordInfo, and a callback with the same data."""

    name = "kie-jobs"
    provider = "kie-flux-kontext"

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, "/api/v1/jobs/createTask", self._read_order),
            Route("/api/v1/jobs/recordInfo", self.record_info),
        ]

    async def record_info(self, request: Request) -> Response:
        """Respond with a task's status."""
        task = self.find_task(request, "recordInfo is null")
        return JSONResponse(wrap(200, "success", self._to_record(task, task.task_id)))

    def build_callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the result; every failure has code 501, and its own code inside of data."""
        data = self._to_record(task, task_id)
        if task.faults.fail is None:
            return wrap(200, "Playground task completed successfully.", data)
        return wrap(501, "Playground task failed.", data)

    def _to_record(self, task: Task, task_id: str) -> dict[str, object]:
        now = self.state.clock.now()
        state = task.state(now)
        fail = task.faults.fail if state == "fail" else None
        ended = state != "generating"
        return {
            "taskId": task_id,
            "model": task.order.body["model"],
            "state": state if ended else _get_stage(task, now),
            "param": json.dumps(task.order.body),
            # kie puts a JSON string inside of the JSON.
            "resultJson": json.dumps({"resultUrls": task.urls()}) if state == "success" else "",
            "failCode": str(fail) if fail else "",
            "failMsg": get_message(fail) if fail else "",
            "costTime": _to_milliseconds(task.ends_at - task.created_at) if ended else None,
            "completeTime": _to_milliseconds(task.ends_at) if ended else None,
            "createTime": _to_milliseconds(task.created_at),
            "updateTime": _to_milliseconds(min(now, task.ends_at)),
        }

    def _read_order(self, fields: Fields) -> Order:
        model = fields.read_choice("model", CREDITS)
        callback_url = fields.read_url("callBackUrl")
        inner = fields.read_object("input")
        prompt = inner.read_text("prompt", required=True)
        kontext = not model.startswith("flux-2/")
        image = inner.read_url("input_image") if kontext else inner.read_urls("input_urls")
        if kontext:
            self._check_kontext(inner, edit=bool(image))
        ratios = RATIOS if kontext else _FLUX_2_RATIOS
        ratio = inner.read_choice("aspect_ratio", ratios, "1:1" if image else "16:9")
        return Order(
            prompt=prompt,
            body=fields.body,
            callback_url=callback_url,
            credits=CREDITS[model],
            ratio="1:1" if ratio == "auto" else ratio,
            extension=inner.read_choice("output_format", ("jpeg", "png"), "jpeg"),
            edit=bool(image),
        )

    def _check_kontext(self, inner: Fields, *, edit: bool) -> None:
        inner.check_flags("enable_translation", "upload_cn", "prompt_upsampling")
        inner.read_text("watermark")
        if not 0 <= inner.read_integer("safety_tolerance", 2) <= (2 if edit else 6):
            raise self.build_refusal(500, OUT_OF_TOLERANCE)


def _get_stage(task: Task, now: float) -> str:
    """Return the stage of a running task; a stuck one stays in the first."""
    done = (now - task.created_at) / (task.ends_at - task.created_at)
    return "waiting" if done < 0.1 else "queuing" if done < 0.25 else "generating"


def _to_milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
