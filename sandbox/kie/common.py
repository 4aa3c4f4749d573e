"""kie.ai's endpoints beside the tasks: renewed download URLs and the credit left."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..accounts import bearer_key
from ..fields import read_body
from ..files import Files
from ..state import SandboxState
from .api import KieRefusal, envelope, message_of


class KieCommon:
    """`/api/v1/common` and `/api/v1/chat/credit`."""

    def __init__(self, box: SandboxState, files: Files) -> None:
        self._box = box
        self._files = files

    def routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            Route("/api/v1/common/download-url", self.download_url, methods=["POST"]),
            Route("/api/v1/chat/credit", self.credit),
        ]

    async def download_url(self, request: Request) -> Response:
        """Renew the URL of a file that kie made; the data is a plain string."""
        _authorised(request)
        fields = await read_body(request, lambda message: KieRefusal(422, message))
        renewed = self._files.renew(fields.text("url", required=True))
        if renewed is None:
            raise KieRefusal(422, "the URL is not one of kie's")
        return JSONResponse(envelope(200, "success", renewed))

    async def credit(self, request: Request) -> Response:
        """Tell what the key has left."""
        balance = self._box.accounts.balance("kie", _authorised(request))
        return JSONResponse(envelope(200, "success", balance))


def _authorised(request: Request) -> str:
    key = bearer_key(request)
    if key is None:
        raise KieRefusal(401, message_of(401))
    return key
