"""What kie.ai's APIs share: the envelope, the codes, the callback rules and the signature."""

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


def wrap(code: int, message: str, data: object) -> dict[str, object]:
    """Return data in the envelope of every response and callback."""
    return {"code": code, "msg": message, "data": data}


def get_message(code: int) -> str:
    """Return kie's message for a code."""
    return MESSAGES.get(code, f"Error {code}")


class KieRefusal(Refusal):
    """HTTP 200 with the error's code in the body."""

    def to_response(self, options: Options) -> Response:
        """Return the response; an option makes a rate limit a real HTTP 429."""
        status = 429 if self.code == 429 and options.real_429 else 200
        return JSONResponse(wrap(self.code, self.message, None), status)


class KieApi(ProviderApi):
    """One of kie's APIs."""

    account = "kie"
    bad_input = 422
    unavailable = 455
    retry_waits_s = (60, 300, 900)

    def get_limit(self) -> int:
        """Return the configured limit, by default kie's 20 new tasks in 10 seconds."""
        return self.state.options.kie_limit

    def build_refusal(self, code: int, message: str = "") -> Refusal:
        """Return a refusal, by default with kie's usual message."""
        return KieRefusal(code, message or get_message(code))

    def build_credit_refusal(self) -> Refusal:
        """Return the refusal of a key without credit."""
        return self.build_refusal(402)

    async def respond(self, task: Task) -> Response:
        """Respond with the task id at once."""
        return JSONResponse(wrap(200, "success", {"taskId": task.task_id}))

    def find_task(self, request: Request, unknown: str) -> Task:
        """Return the task of a status request; raises Refusal with `unknown` without one."""
        self.authorise(request)
        self.state.ledger.counts_of(self.provider).lookups += 1
        if "taskId" not in request.query_params:
            raise self.build_refusal(400, "taskId parameter is required")
        task = self.state.find_task(self.name, request.query_params["taskId"])
        if task is None:
            raise self.build_refusal(422, unknown)
        return task

    def is_delivered(self, status: int) -> bool:
        """Accept HTTP 200 only."""
        return status == 200

    def build_callback_headers(self, task_id: str) -> dict[str, str]:
        """Return the signature of the task id and the real time; the body is not covered."""
        key = self.state.options.kie_webhook_hmac_key
        if not key:
            return {}
        timestamp = str(int(time.time()))
        digest = hmac.digest(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256)
        return {
            "X-Webhook-Timestamp": timestamp,
            "X-Webhook-Signature": base64.b64encode(digest).decode(),
        }
