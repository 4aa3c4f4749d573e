"""kie.ai's jobs API: every image model, and any other model unchecked."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import catalogue
from ..fields import Fields
from ..submit_route import submit_route
from ..tasks import Extension, Order, Task
from .api import KieApi, get_message, wrap

_EXTENSIONS: Mapping[str, Extension] = {"jpg": "jpeg", "png": "png", "webp": "webp"}


class KieJobs(KieApi):
    """`/api/v1/jobs`: createTask, recordInfo, and a callback with nearly the same data."""

    name = "kie-jobs"
    provider = "kie"
    charges_failed_tasks = False

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
        data["costTime"] = round(task.ends_at - task.created_at)  # seconds, unlike in a record
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
            "resultJson": json.dumps(_to_result(task)) if state == "success" else "",
            "failCode": str(fail) if fail else "",
            "failMsg": get_message(fail) if fail else "",
            "costTime": _to_milliseconds(task.ends_at - task.created_at) if ended else None,
            "completeTime": _to_milliseconds(task.ends_at) if ended else None,
            "createTime": _to_milliseconds(task.created_at),
            "updateTime": _to_milliseconds(min(now, task.ends_at)),
            "creditsConsumed": task.order.credits if state == "success" else 0,
        }

    def _read_order(self, fields: Fields) -> Order:
        name = fields.read_text("model", required=True)
        if name.startswith("unknown"):
            raise self.build_refusal(422, "The page does not exist")
        callback_url = fields.read_url("callBackUrl")
        inner = fields.read_object("input")
        model = catalogue.load_models("kie").get(name)
        if model is None:
            return _read_unlisted(fields.body, inner, callback_url, name)
        images = catalogue.check_input(model, inner)
        values = catalogue.fill_defaults(model, inner.body, edit=bool(images))
        return Order(
            # Faults are chosen by words in the prompt: a model without one has none.
            prompt=inner.read_text("prompt") or name,
            body=fields.body,
            callback_url=callback_url,
            credits=catalogue.compute_credits(model, values, len(images)),
            ratio=catalogue.choose_ratio(values),
            extension=_EXTENSIONS.get(values.get("output_format", "png"), "jpeg"),
            count=catalogue.count_images(model, values),
            edit=bool(images),
        )


def _read_unlisted(
    body: dict[str, object], inner: Fields, callback_url: str | None, name: str
) -> Order:
    """Return the order of a model outside of the catalogue: one video or image, unchecked."""
    is_video = "video" in name or "duration" in inner.body
    return Order(
        prompt=inner.read_text("prompt") or name,
        body=body,
        callback_url=callback_url,
        credits=catalogue.UNLISTED_CREDITS,
        ratio=catalogue.choose_ratio(inner.body),
        extension="mp4" if is_video else "png",
    )


def _to_result(task: Task) -> dict[str, object]:
    if str(task.order.body["model"]).endswith("segment-map"):
        return {"resultObject": {"segments": [{"index": 0, "mask": task.urls()[0]}]}}
    return {"resultUrls": task.urls()}


def _get_stage(task: Task, now: float) -> str:
    """Return the stage of a running task; a stuck one stays in the first."""
    done = (now - task.created_at) / (task.ends_at - task.created_at)
    return "waiting" if done < 0.1 else "queuing" if done < 0.25 else "generating"


def _to_milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
