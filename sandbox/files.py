"""Serves the finished files for as long as their URLs live."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from .broken_responses import Truncated
from .images import draw
from .state import SandboxState
from .tasks import Task

RESULT_LIFE_S = 14 * 24 * 3600
ORIGIN_LIFE_S = 600
RENEWED_LIFE_S = 1200

# Made once by: ffmpeg -f lavfi -i testsrc2=size=320x180:rate=12:duration=1 -c:v libx264
#   -preset veryslow -crf 45 -pix_fmt yuv420p -movflags +faststart -map_metadata -1 sample.mp4
_VIDEO = Path(__file__).with_name("sample.mp4")

_URL = re.compile(r"/files/([^/]+)/(?:until-\d+/)?([^/]+)$")
_NAME = re.compile(r"(?:origin-)?(\d{1,2})\.(jpeg|png|mp4)")


class Files:
    """The image host of the simulated providers."""

    def __init__(self, box: SandboxState) -> None:
        self._box = box

    def routes(self) -> list[Route]:
        """Return its endpoints: a file under its own URL, and under a renewed one."""
        return [
            Route("/files/{task_id}/{name}", self.serve),
            Route("/files/{task_id}/until-{until:int}/{name}", self.serve),
        ]

    def renew(self, url: str) -> str | None:
        """Return a URL for the same file with 20 minutes to live, or nothing if kie has none."""
        parts = _URL.search(url)
        task = self._box.tasks.get(parts[1]) if parts else None
        if parts is None or task is None or not url.startswith(task.base_url):
            return None
        now, name = self._box.clock.now(), parts[2]
        kept = task.provider.startswith("kie-") and now < task.ends_at + RESULT_LIFE_S
        if not kept or self._index(task, name) is None:
            return None
        return task.url(f"until-{now + RENEWED_LIFE_S:.0f}/{name}")

    async def serve(self, request: Request) -> Response:
        """Answer a GET with the file, or with the faults it is in."""
        name = request.path_params["name"]
        task = self._box.tasks.get(request.path_params["task_id"])
        index = self._index(task, name) if task else None
        if task is None or index is None:
            return PlainTextResponse("no such file", 404)
        if self._box.clock.now() >= _dies_at(task, name, request.path_params.get("until")):
            return PlainTextResponse("this link has expired", 403)
        task.gets[name] += 1
        flaky = task.gets[name] <= task.faults.file_flaky_times
        if flaky or self._box.rates.strikes("file_error"):
            return PlainTextResponse("internal error", 500)
        if task.faults.file_html:
            return HTMLResponse("<html><body><h1>Something went wrong</h1></body></html>")
        return await self._send(task, index)

    async def _send(self, task: Task, index: int) -> Response:
        video = task.order.extension == "mp4"
        content = _VIDEO.read_bytes() if video else await asyncio.to_thread(draw, task, index)
        media_type = f"{'video' if video else 'image'}/{task.order.extension}"
        if task.faults.file_truncated or self._box.rates.strikes("file_cut"):
            return Truncated(content, media_type=media_type)
        self._box.ledger.of(task.provider).files_served += 1
        return Response(content, media_type=media_type)

    def _index(self, task: Task, name: str) -> int | None:
        """Return which picture of the task a name stands for, once there is one."""
        match = _NAME.fullmatch(name)
        if match is None or match[2] != task.order.extension:
            return None
        made = task.order.count if task.state(self._box.clock.now()) == "success" else 0
        return int(match[1]) if int(match[1]) < made else None


def origin_url(task: Task) -> str:
    """Return the short-lived URL of a picture as the model made it."""
    return task.url(f"origin-0.{task.order.extension}")


def _dies_at(task: Task, name: str, renewed_until: int | None) -> float:
    if task.faults.url_dead:
        return task.ends_at
    if renewed_until is not None:
        return renewed_until
    if task.faults.url_life_s is not None:
        return task.ends_at + task.faults.url_life_s
    return task.ends_at + (ORIGIN_LIFE_S if name.startswith("origin-") else RESULT_LIFE_S)
