"""AceData's bodies: refusals, results and task records."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable

from starlette.responses import JSONResponse, Response

from ..options import Options
from ..provider_api import Refusal
from ..tasks import Task, new_id
from .orders import list_operations

ERRORS = {
    400: ("bad_request", "Bad request, possibly due to missing or invalid parameters."),
    401: ("invalid_token", "Unauthorized, invalid or missing authorization token."),
    403: ("forbidden", "The request was rejected by content moderation."),
    404: ("no_api", "There is no such API."),
    413: ("request_too_large", "The request is too large."),
    429: ("too_many_requests", "Too many requests, you have exceeded the rate limit."),
    500: ("api_error", "Internal server error, something went wrong on the server."),
    503: ("service_unavailable", "The service is temporarily unavailable."),
    504: ("timeout", "The upstream did not answer in time."),
}


class AceDataRefusal(Refusal):
    """A real HTTP status with an error word."""

    def __init__(self, code: int, message: str = "", word: str = "") -> None:
        usual_word, usual_message = ERRORS.get(code, ERRORS[500])
        super().__init__(code, message or usual_message)
        self.word = word or usual_word

    def to_response(self, options: Options) -> Response:
        """Return the response."""
        return JSONResponse({**self.body(), "trace_id": new_id()}, self.code)

    def body(self) -> dict[str, object]:
        """Return the body, which a failed task's result shares."""
        return {"success": False, "error": {"code": self.word, "message": self.message}}


def build_accepted(task: Task) -> dict[str, object]:
    """Return the response for a task that runs in the background."""
    return {"task_id": task.task_id, "trace_id": _make_id(task, "trace")}


ToResult = Callable[[Task, str], dict[str, object]]
"""Builds the result of a task under an id, the same in responses, callbacks and task records."""


def build_result(task: Task, task_id: str) -> dict[str, object]:
    """Return a result with its images in `data`."""
    images = [_to_image(task, index, url) for index, url in enumerate(task.urls())]
    return _build_end(task, task_id, {"data": images})


def build_openai_result(task: Task, task_id: str) -> dict[str, object]:
    """Return a result as OpenAI spells it."""
    data = [{"url": url} for url in task.urls()]
    return _build_end(task, task_id, {"created": int(task.ends_at), "data": data})


def build_flat_result(task: Task, task_id: str) -> dict[str, object]:
    """Return a result of Midjourney, which has no `data`."""
    grid, *split = task.urls()
    actions = list_operations(task.order)
    images = {"image_url": grid, "raw_image_url": grid, "progress": 100, "actions": actions}
    more = {"sub_image_urls": split} if split else {}
    return _build_end(task, task_id, {"image_id": make_image_id(task), **images, **more})


def make_image_id(task: Task) -> str:
    """Return the id of a task's result in Midjourney."""
    return _make_id(task, "image")


def _build_end(task: Task, task_id: str, fields: dict[str, object]) -> dict[str, object]:
    """Return the result of a task, or its failure."""
    ids = {"task_id": task_id, "trace_id": _make_id(task, "trace")}
    if task.faults.fail is not None:
        return {**AceDataRefusal(task.faults.fail).body(), **ids}
    cost = {"amount": task.charged, "currency": "credit"}
    return {"success": True, **ids, **fields, "cost": cost}


def build_record(task: Task, now: float, to_result: ToResult) -> dict[str, object]:
    """Return a task record; it has no status word, only fields that are present or absent."""
    fields: dict[str, object] = {
        "_id": _make_id(task, "record"),
        "id": task.task_id,
        "api_id": _make_id(task, "api"),
        "application_id": _make_id(task, "application"),
        "created_at": round(task.created_at, 3),
        "started_at": round(task.created_at, 3),
        "credential_id": _make_id(task, "credential"),
        "request": task.order.body,
        "trace_id": _make_id(task, "trace"),
        "user_id": _make_id(task, "user"),
    }
    if task.state(now) == "generating":
        return fields | _pending_response(task)
    return fields | {
        "finished_at": round(task.ends_at, 3),
        "elapsed": round(task.ends_at - task.created_at, 3),
        "response": to_result(task, task.task_id),
    }


def _pending_response(task: Task) -> dict[str, object]:
    """Return in rotation the three forms seen of a pending task."""
    bare = {"success": True, "task_id": task.task_id}
    forms: list[dict[str, object]] = [{}, {"response": None}, {"response": bare}]
    return forms[task.lookups % len(forms)]


def _to_image(task: Task, index: int, url: str) -> dict[str, object]:
    """Return one image; `timings` alternates between its two types, one of them with `seed`."""
    image: dict[str, object] = {"prompt": task.order.prompt, "image_url": url}
    if task.number % 2:
        return {**image, "timings": int(task.ends_at)}
    seed = zlib.crc32(f"{task.task_id}/{index}".encode())
    inference = round(task.ends_at - task.created_at, 3)
    return {**image, "seed": seed, "timings": {"inference": inference}}


def _make_id(task: Task, purpose: str) -> str:
    """Return an id that is the same in all bodies of a task."""
    return str(uuid.uuid5(uuid.UUID(task.task_id), purpose))
