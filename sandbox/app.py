"""The sandbox as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from .acedata.services import SERVICES
from .control import Control
from .files import Files
from .kie.account_routes import KieAccountRoutes
from .kie.flux_kontext import KieFlux
from .kie.jobs import KieJobs
from .kie.midjourney import KieMidjourney
from .kie.uploads import KieUploads
from .openai.api import OpenAIImages
from .options import Options
from .provider_api import Refusal
from .state import SandboxState


def create_app(options: Options | None = None) -> Starlette:
    """Return a sandbox; only `server.serve` lets it cut connections."""
    state = SandboxState(options or Options())
    files = Files(state)
    parts = (
        KieFlux(state),
        KieJobs(state),
        KieMidjourney(state),
        KieAccountRoutes(state, files),
        KieUploads(state),
        *(service(state) for service in SERVICES),
        OpenAIImages(state),
        files,
        Control(state),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        state.callbacks.close()

    async def refuse(request: Request, refusal: Refusal) -> Response:
        return refusal.to_response(state.options)

    return Starlette(
        routes=[route for part in parts for route in part.build_routes()],
        exception_handlers={Refusal: cast(ExceptionHandler, refuse)},
        lifespan=lifespan,
    )
