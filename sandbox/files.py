"""The host of the finished files, which serves them while their URLs live."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from .faults.broken_responses import Truncated
from .images import draw
from .state import SandboxState
from .tasks import Task

RESULT_LIFE_S = 14 * 24 * 3600
ORIGIN_LIFE_S = 600
REFRESHED_LIFE_S = 1200

# Made once by: ffmpeg -f lavfi -i testsrc2=size=320x180:rate=12:duration=1 -c:v libx264
#   -preset veryslow -crf 45 -pix_fmt yuv420p -movflags +faststart -map_metadata -1 sample.mp4
_VIDEO = Path(__file__).with_name("sample.mp4")

_URL = re.compile(r"/files/([^/]+)/(?:until-\d+/)?([^/]+)$")
_NAME = re.compile(r"(?:origin-)?(\d{1,2})\.(jpeg|png|webp|mp4)")


class Files:
    """The image host of the simulated providers."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Return its endpoints: a file at its own URL, and at a refreshed one."""
        return [
            Route("/files/{task_id}/{name}", self.serve),
            Route("/files/{task_id}/until-{until:int}/{name}", self.serve),
        ]

    def refresh_url(self, url: str) -> str | None:
        """Return a URL of the same file that lives 20 minutes; None if kie has no such file."""
        parts = _URL.search(url)
        task = self._state.tasks.get(parts[1]) if parts else None
        if parts is None or task is None or not url.startswith(task.base_url):
            return None
        now, name = self._state.clock.now(), parts[2]
        is_stored = task.provider.startswith("kie-") and now < task.ends_at + RESULT_LIFE_S
        if not is_stored or self._find_index(task, name) is None:
            return None
        return task.url(f"until-{now + REFRESHED_LIFE_S:.0f}/{name}")

    async def serve(self, request: Request) -> Response:
        """Respond with the file, or with its fault."""
        name = request.path_params["name"]
        task = self._state.tasks.get(request.path_params["task_id"])
        index = self._find_index(task, name) if task else None
        if task is None or index is None:
            return PlainTextResponse("no such file", 404)
        if self._state.clock.now() >= _get_expiry(task, name, request.path_params.get("until")):
            return PlainTextResponse("this link has expired", 403)
        task.gets[name] += 1
        flaky = task.gets[name] <= task.faults.file_flaky_times
        if flaky or self._state.rates.should_occur("file_error"):
            return PlainTextResponse("internal error", 500)
        if task.faults.file_html:
            return HTMLResponse("<html><body><h1>Something went wrong</h1></body></html>")
        return await self._send(task, index)

    async def _send(self, task: Task, index: int) -> Response:
        video = task.order.extension == "mp4"
        content = _VIDEO.read_bytes() if video else await asyncio.to_thread(draw, task, index)
        media_type = f"{'video' if video else 'image'}/{task.order.extension}"
        if task.faults.file_truncated or self._state.rates.should_occur("file_cut"):
            return Truncated(content, media_type=media_type)
        self._state.ledger.counts_of(task.provider).files_served += 1
        return Response(content, media_type=media_type)

    def _find_index(self, task: Task, name: str) -> int | None:
        """Return the index of a finished image by its name; None if there is none."""
        match = _NAME.fullmatch(name)
        if match is None or match[2] != task.order.extension:
            return None
        made = task.order.count if task.state(self._state.clock.now()) == "success" else 0
        return int(match[1]) if int(match[1]) < made else None


def build_origin_url(task: Task) -> str:
    """Return the short-lived URL of the image as the model made it."""
    return task.url(f"origin-0.{task.order.extension}")


def _get_expiry(task: Task, name: str, refreshed_until: int | None) -> float:
    if task.faults.url_dead:
        return task.ends_at
    if refreshed_until is not None:
        return refreshed_until
    if task.faults.url_life_s is not None:
        return task.ends_at + task.faults.url_life_s
    return task.ends_at + (ORIGIN_LIFE_S if name.startswith("origin-") else RESULT_LIFE_S)
