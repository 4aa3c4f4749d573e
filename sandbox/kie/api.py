"""What kie.ai's wires share: the envelope, the codes, the callback rules and the signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..options import Options
from ..provider_api import ProviderApi, Refusal
from ..tasks import Task

MESSAGES = {
    400: "Your prompt was flagged by Website as violating content policies.",
    401: "You do not have access permissions",
    402: "Insufficient credits",
    404: "Not found",
    408: "Upstream is silent",
    422: "Validation error",
    429: "Too many requests",
    455: "Service is under maintenance",
    500: "Internal error, please try again later",
    501: "Image generation task failed",
    505: "Feature is disabled",
}

RATIOS = ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16")


def envelope(code: int, message: str, data: object) -> dict[str, object]:
    """Wrap data as kie wraps every answer and callback."""
    return {"code": code, "msg": message, "data": data}


def message_of(code: int) -> str:
    """Return kie's words for a code."""
    return MESSAGES.get(code, f"Error {code}")


class KieRefusal(Refusal):
    """HTTP 200 around a body that says otherwise."""

    def response(self, options: Options) -> Response:
        """Write the refusal; only a rate limit may be a real HTTP 429, by choice."""
        status = 429 if self.code == 429 and options.real_429 else 200
        return JSONResponse(envelope(self.code, self.message, None), status)


class KieWire(ProviderApi):
    """One of kie's families of endpoints."""

    account = "kie"
    bad_input = 422
    unavailable = 455
    retry_waits_s = (60, 300, 900)

    def limit(self) -> int:
        """Return kie's 20 new tasks in 10 seconds, or what was chosen instead."""
        return self.box.options.kie_limit

    def refusal(self, code: int, message: str = "") -> Refusal:
        """Make a refusal, in kie's usual words where none are given."""
        return KieRefusal(code, message or message_of(code))

    def out_of_credit(self) -> Refusal:
        """Make the refusal of a key that cannot pay."""
        return self.refusal(402)

    async def answer(self, task: Task) -> Response:
        """Answer with the task id at once."""
        return JSONResponse(envelope(200, "success", {"taskId": task.task_id}))

    def asked_for(self, request: Request, unknown: str) -> Task:
        """Return the task that a look-up names; raises Refusal with `unknown` if there is none."""
        self.authorised(request)
        self.box.ledger.of(self.provider).lookups += 1
        if "taskId" not in request.query_params:
            raise self.refusal(400, "taskId parameter is required")
        task = self.box.find(self.name, request.query_params["taskId"])
        if task is None:
            raise self.refusal(422, unknown)
        return task

    def taken(self, status: int) -> bool:
        """Take HTTP 200 alone for an arrival."""
        return status == 200

    def callback_headers(self, task_id: str) -> dict[str, str]:
        """Sign the id and the real time; the body is not covered, as at kie."""
        key = self.box.options.kie_webhook_hmac_key
        if not key:
            return {}
        timestamp = str(int(time.time()))
        digest = hmac.digest(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256)
        return {
            "X-Webhook-Timestamp": timestamp,
            "X-Webhook-Signature": base64.b64encode(digest).decode(),
        }
