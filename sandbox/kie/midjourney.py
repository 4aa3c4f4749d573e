"""kie.ai Midjourney: four pictures, videos, and the tasks that follow on an earlier one."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..clock import iso
from ..fields import Fields
from ..submit_route import Reader, submit_route
from ..tasks import Order, Task
from . import midjourney_orders as orders
from .api import KieWire, envelope, message_of

_SUCCESS_FLAGS = {"generating": 0, "success": 1, "fail": 3}
_BASE = "/api/v1/mj"


class KieMidjourney(KieWire):
    """`/api/v1/mj`: four ways to submit, one look-up, one callback."""

    name = "kie-midjourney"
    provider = "kie-midjourney"

    def routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, f"{_BASE}/generate", orders.generate),
            submit_route(self, f"{_BASE}/generateUpscale", self._following(orders.upscale)),
            submit_route(self, f"{_BASE}/generateVary", self._following(orders.vary)),
            submit_route(self, f"{_BASE}/generateVideoExtend", self._following(orders.extend)),
            Route(f"{_BASE}/record-info", self.record_info),
        ]

    async def record_info(self, request: Request) -> Response:
        """Tell how a task stands; the URLs are objects here and strings in callbacks."""
        task = self.asked_for(request, "The record does not exist")
        state = task.state(self.box.clock.now())
        fail = task.faults.fail if state == "fail" else None
        urls = {"resultUrls": [{"resultUrl": url} for url in task.urls()]}
        data = {
            "taskId": task.task_id,
            "taskType": task.order.body["taskType"],
            "paramJson": json.dumps(task.order.body),
            "completeTime": None if state == "generating" else iso(task.ends_at),
            # An object, whatever its name says.
            "resultInfoJson": urls if state == "success" else None,
            "successFlag": _SUCCESS_FLAGS[state],
            "createTime": iso(task.created_at),
            "errorCode": fail,
            "errorMessage": message_of(fail) if fail else None,
        }
        return JSONResponse(envelope(200, "success", data))

    def callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Report the end; the documented codes are 200 and 500 alone."""
        failed = task.faults.fail is not None
        data = {
            "taskId": task_id,
            "promptJson": json.dumps(task.order.body),
            "resultUrls": [] if failed else task.urls(),
        }
        if failed:
            return envelope(500, "Image generation failed", data)
        return envelope(200, "success", data)

    def _following(self, read: Callable[[Fields, Order], Order]) -> Reader:
        """Make a reader of orders that go on from a finished task's."""

        def read_following(fields: Fields) -> Order:
            parent = self.box.find(self.name, fields.text("taskId", required=True))
            if parent is None or parent.state(self.box.clock.now()) != "success":
                raise self.refusal(422, "The record does not exist")
            return read(fields, parent.order)

        return read_following
