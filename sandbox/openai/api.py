"""OpenAI's images API: the response to a submission holds the images."""

from __future__ import annotations

import asyncio
import base64
import io
import re

from PIL import Image, UnidentifiedImageError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..fields import Fields
from ..images import draw
from ..options import Options
from ..provider_api import ProviderApi, Refusal
from ..submit_route import submit_route
from ..tasks import Extension, Order, Task

CREDITS = 0.04
"""The price of an image, in dollars."""

_TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 429: "requests"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_NUMBERS = ("n", "output_compression")
_EXTENSIONS: dict[str, Extension] = {"png": "png", "jpeg": "jpeg", "webp": "webp"}


class OpenAIRefusal(Refusal):
    """A real HTTP status and an error object."""

    def __init__(self, code: int, message: str = "", word: str | None = None) -> None:
        super().__init__(code, message or f"The request was refused with {code}.")
        self.word = word or _CODES.get(code)

    def to_response(self, options: Options) -> Response:
        """Return the response."""
        kind = _TYPES.get(
            self.code, "server_error" if self.code >= 500 else "invalid_request_error"
        )
        error = {"message": self.message, "type": kind, "param": None, "code": self.word}
        return JSONResponse({"error": error}, self.code)


class OpenAIImages(ProviderApi):
    """`/images`, also below `/v1`."""

    name = provider = "openai-images"
    account = "openai"
    charges_failed_tasks = False
    bad_input = 400
    unavailable = 503
    retry_waits_s = ()

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, f"{base}/images/{action}", self._read_order)
            for base in ("", "/v1")
            for action in ("generations", "edits")
        ]

    async def read_fields(self, request: Request) -> Fields:
        """Return the fields of a request for images, or the form of an edit."""
        if not request.url.path.endswith("/edits"):
            return await super().read_fields(request)
        body: dict[str, object] = {}
        images: list[bytes] = []
        async with request.form() as form:
            for name, part in form.multi_items():
                if not isinstance(part, str):
                    images.append(await part.read())
                else:
                    body[name] = int(part) if name in _NUMBERS else part
        if not images:
            raise self.build_input_refusal("image is required")
        for content in images:
            self._check_image(content)
        return Fields(body | {"images": len(images)}, self.build_input_refusal)

    def _check_image(self, content: bytes) -> None:
        try:
            Image.open(io.BytesIO(content)).verify()
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise self.build_refusal(400, "image is not a valid image") from error

    def get_limit(self) -> int:
        """Return no limit."""
        return 0

    def build_refusal(self, code: int, message: str = "") -> Refusal:
        """Return a refusal, by default with a message of its own."""
        return OpenAIRefusal(code, message)

    def build_credit_refusal(self) -> Refusal:
        """Return the refusal of a key without credit."""
        return OpenAIRefusal(429, "You exceeded your current quota.", "insufficient_quota")

    async def respond(self, task: Task) -> Response:
        """Respond with the images when they are finished."""
        await self.state.clock.sleep_until(task.ends_at)
        if task.faults.fail is not None:
            raise self.build_refusal(task.faults.fail)
        if task.order.body.get("response_format") == "url":
            data = [{"url": url} for url in task.urls()]
        else:
            data = [
                {"b64_json": await self._draw(task, index)} for index in range(task.order.count)
            ]
        usage = {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210}
        return JSONResponse({"created": int(task.ends_at), "data": data, "usage": usage})

    async def _draw(self, task: Task, index: int) -> str:
        """Return an image as base64, or its fault."""
        content = await asyncio.to_thread(draw, task, index)
        if task.faults.file_truncated:
            content = content[: len(content) // 2]
        if task.faults.file_html:
            content = b"<html><body><h1>Something went wrong</h1></body></html>"
        return base64.b64encode(content).decode()

    def build_callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Return nothing: there are no callbacks."""
        return {}

    def build_callback_headers(self, task_id: str) -> dict[str, str]:
        """Return nothing: there are no callbacks."""
        return {}

    def is_delivered(self, status: int) -> bool:
        """Accept nothing: there are no callbacks."""
        return False

    def _read_order(self, fields: Fields) -> Order:
        fields.read_text("model", required=True)
        count = fields.read_integer("n", 1, low=1, high=10)
        size = fields.read_text("size")
        if size and not re.fullmatch(r"auto|[0-9]+x[0-9]+", size):
            raise fields.build_refusal("size", "must be auto or WIDTHxHEIGHT")
        return Order(
            prompt=fields.read_text("prompt", required=True, max_length=32_000),
            body=fields.body,
            callback_url=None,
            credits=round(CREDITS * count, 2),
            ratio=size if "x" in size else "1:1",
            extension=_EXTENSIONS[fields.read_choice("output_format", _EXTENSIONS, "png")],
            count=count,
            edit="images" in fields.body,
        )
