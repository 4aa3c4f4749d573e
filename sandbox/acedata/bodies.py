"""What AceData writes: refusals, results and the records of tasks."""

from __future__ import annotations

import uuid
import zlib

from starlette.responses import JSONResponse, Response

from ..options import Options
from ..provider_api import Refusal
from ..tasks import Task, new_id

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

    def response(self, options: Options) -> Response:
        """Write the refusal."""
        return JSONResponse({**self.body(), "trace_id": new_id()}, self.code)

    def body(self) -> dict[str, object]:
        """Return what a failed task's result says as well."""
        return {"success": False, "error": {"code": self.word, "message": self.message}}


def accepted(task: Task) -> dict[str, object]:
    """Write the answer to a task that goes on in the background."""
    return {"task_id": task.task_id, "trace_id": _fixed_id(task, "trace")}


def result(task: Task, task_id: str) -> dict[str, object]:
    """Write the end of a task: the same body in answers, callbacks and look-ups."""
    ids = {"task_id": task_id, "trace_id": _fixed_id(task, "trace")}
    if task.faults.fail is not None:
        return {**AceDataRefusal(task.faults.fail).body(), **ids}
    images = [_image(task, index, url) for index, url in enumerate(task.urls())]
    return {"success": True, **ids, "data": images}


def record(task: Task, now: float) -> dict[str, object]:
    """Write a task as a look-up finds it; there is no status word, only what is there or not."""
    found: dict[str, object] = {
        "_id": _fixed_id(task, "record"),
        "id": task.task_id,
        "api_id": _fixed_id(task, "api"),
        "application_id": _fixed_id(task, "application"),
        "created_at": round(task.created_at, 3),
        "started_at": round(task.created_at, 3),
        "credential_id": _fixed_id(task, "credential"),
        "request": task.order.body,
        "trace_id": _fixed_id(task, "trace"),
        "user_id": _fixed_id(task, "user"),
    }
    if task.state(now) == "generating":
        return found | _pending_response(task)
    return found | {
        "finished_at": round(task.ends_at, 3),
        "elapsed": round(task.ends_at - task.created_at, 3),
        "response": result(task, task.task_id),
    }


def _pending_response(task: Task) -> dict[str, object]:
    """Take turns between the three forms seen while a task is under way."""
    bare = {"success": True, "task_id": task.task_id}
    forms: list[dict[str, object]] = [{}, {"response": None}, {"response": bare}]
    return forms[task.lookups % len(forms)]


def _image(task: Task, index: int, url: str) -> dict[str, object]:
    """Describe one picture; `timings` takes turns between its two types, `seed` comes with one."""
    image: dict[str, object] = {"prompt": task.order.prompt, "image_url": url}
    if task.number % 2:
        return {**image, "timings": int(task.ends_at)}
    seed = zlib.crc32(f"{task.task_id}/{index}".encode())
    inference = round(task.ends_at - task.created_at, 3)
    return {**image, "seed": seed, "timings": {"inference": inference}}


def _fixed_id(task: Task, purpose: str) -> str:
    """Make an id that a task keeps through all its bodies."""
    return str(uuid.uuid5(uuid.UUID(task.task_id), purpose))
