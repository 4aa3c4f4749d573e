"""kie.ai's endpoints besides the tasks: refreshed download URLs, and the credit."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..accounts import bearer_key
from ..fields import read_body
from ..files import Files
from ..state import SandboxState
from .api import KieRefusal, get_message, wrap


class KieAccountRoutes:
    """`/api/v1/common` and `/api/v1/chat/credit`."""

    def __init__(self, state: SandboxState, files: Files) -> None:
        self._state = state
        self._files = files

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            Route("/api/v1/common/download-url", self.download_url, methods=["POST"]),
            Route("/api/v1/chat/credit", self.credit),
        ]

    async def download_url(self, request: Request) -> Response:
        """Respond with a new URL of a file that kie made; the data is a plain string."""
        _authorise(request)
        fields = await read_body(request, lambda message: KieRefusal(422, message))
        refreshed = self._files.refresh_url(fields.read_text("url", required=True))
        if refreshed is None:
            raise KieRefusal(422, "the URL is not one of kie's")
        return JSONResponse(wrap(200, "success", refreshed))

    async def credit(self, request: Request) -> Response:
        """Respond with the key's credit."""
        balance = self._state.accounts.balance("kie", _authorise(request))
        return JSONResponse(wrap(200, "success", balance))


def _authorise(request: Request) -> str:
    key = bearer_key(request)
    if key is None:
        raise KieRefusal(401, get_message(401))
    return key
