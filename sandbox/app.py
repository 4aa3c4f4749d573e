"""The sandbox as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from .acedata.api import AceData
from .control import Control
from .files import Files
from .kie.common import KieCommon
from .kie.flux_kontext import KieFlux
from .kie.jobs import KieJobs
from .kie.midjourney import KieMidjourney
from .kie.uploads import KieUploads
from .options import Options
from .provider_api import Refusal
from .state import SandboxState


def create_app(options: Options | None = None) -> Starlette:
    """Build a sandbox; serve it with `server.serve`, without which no connection can be cut."""
    box = SandboxState(options or Options())
    files = Files(box)
    parts = (
        KieFlux(box),
        KieJobs(box),
        KieMidjourney(box),
        KieCommon(box, files),
        KieUploads(box),
        AceData(box),
        files,
        Control(box),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        box.courier.close()

    async def refused(request: Request, refusal: Refusal) -> Response:
        return refusal.response(box.options)

    return Starlette(
        routes=[route for part in parts for route in part.routes()],
        exception_handlers={Refusal: cast(ExceptionHandler, refused)},
        lifespan=lifespan,
    )
