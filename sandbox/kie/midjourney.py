"""kie.ai Midjourney: four images, videos, and follow-ups of an earlier task."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..clock import format_iso
from ..fields import Fields
from ..submit_route import ReadOrder, submit_route
from ..tasks import Order, Task
from . import midjourney_orders as orders
from .api import KieApi, get_message, wrap

_SUCCESS_FLAGS = {"generating": 0, "success": 1, "fail": 3}
_BASE = "/api/v1/mj"


class KieMidjourney(KieApi):
    """`/api/v1/mj`: four submit endpoints, one status endpoint and one callback."""

    name = "kie-midjourney"
    provider = "kie-midjourney"

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, f"{_BASE}/generate", orders.read_generate),
            submit_route(self, f"{_BASE}/generateUpscale", self._follow_up(orders.read_upscale)),
            submit_route(self, f"{_BASE}/generateVary", self._follow_up(orders.read_vary)),
            submit_route(self, f"{_BASE}/generateVideoExtend", self._follow_up(orders.read_extend)),
            Route(f"{_BASE}/record-info", self.record_info),
        ]

    async def record_info(self, request: Request) -> Response:
        """Respond with a task's status; the URLs are objects here and strings in callbacks."""
        task = self.find_task(request, "The record does not exist")
        state = task.state(self.state.clock.now())
        fail = task.faults.fail if state == "fail" else None
        urls = {"resultUrls": [{"resultUrl": url} for url in task.urls()]}
        data = {
            "taskId": task.task_id,
            "taskType": task.order.body["taskType"],
            "paramJson": json.dumps(task.order.body),
            "completeTime": None if state == "generating" else format_iso(task.ends_at),
            # An object, despite its name.
            "resultInfoJson": urls if state == "success" else None,
            "successFlag": _SUCCESS_FLAGS[state],
            "createTime": format_iso(task.created_at),
            "errorCode": fail,
            "errorMessage": get_message(fail) if fail else None,
        }
        return JSONResponse(wrap(200, "success", data))

    def build_callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the result; only the codes 200 and 500 are documented."""
        failed = task.faults.fail is not None
        data = {
            "taskId": task_id,
            "promptJson": json.dumps(task.order.body),
            "resultUrls": [] if failed else task.urls(),
        }
        if failed:
            return wrap(500, "Image generation failed", data)
        return wrap(200, "success", data)

    def _follow_up(self, read: Callable[[Fields, Order], Order]) -> ReadOrder:
        """Return a reader of orders that follow up a finished task."""

        def read_order(fields: Fields) -> Order:
            parent = self.state.find_task(self.name, fields.read_text("taskId", required=True))
            if parent is None or parent.state(self.state.clock.now()) != "success":
                raise self.build_refusal(422, "The record does not exist")
            return read(fields, parent.order)

        return read_order
