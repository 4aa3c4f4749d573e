"""kie.ai's File Upload API, and the host of its files."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..accounts import bearer_key
from ..clock import format_iso
from ..multipart import Part, parse_form
from ..options import Options
from ..provider_api import Refusal
from ..state import SandboxState
from ..tasks import new_id

LIFE_S = 24 * 3600


class UploadRefusal(Refusal):
    """Unlike the rest of kie: a real HTTP status, and `success` instead of data."""

    def to_response(self, options: Options) -> Response:
        """Write the refusal."""
        body = {"success": False, "code": self.code, "msg": self.message}
        return JSONResponse(body, self.code)


@dataclass(frozen=True, slots=True)
class _Upload:
    part: Part
    at: float


class KieUploads:
    """`/api/file-stream-upload`; uploaded files are served under `/files/uploads`."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._uploads: dict[str, _Upload] = {}

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            Route("/api/file-stream-upload", self.upload, methods=["POST"]),
            Route("/files/uploads/{path:path}", self.serve),
        ]

    async def upload(self, request: Request) -> Response:
        """Store a file at the given path and name, and overwrite an older one."""
        if bearer_key(request) is None:
            raise UploadRefusal(401, "Authentication failed: Invalid API Key")
        form = await parse_form(request)
        for name in ("file", "uploadPath"):
            if name not in form or not form[name].content:
                raise UploadRefusal(400, f"Missing required parameter: {name}")
        file, now = form["file"], self._state.clock.now()
        name = form["fileName"].text if "fileName" in form else _make_name(file)
        path = f"{form['uploadPath'].text}/{name}"
        self._uploads[path] = _Upload(file, now)
        data = {
            "fileName": name,
            "filePath": path,
            "downloadUrl": f"{request.base_url}files/uploads/{quote(path)}",
            "fileSize": len(file.content),
            "mimeType": file.media_type,
            "uploadedAt": format_iso(now),
        }
        message = "File uploaded successfully"
        return JSONResponse({"success": True, "code": 200, "msg": message, "data": data})

    async def serve(self, request: Request) -> Response:
        """Respond with the file while it lives."""
        found = self._uploads.get(request.path_params["path"])
        if found is None or self._state.clock.now() >= found.at + LIFE_S:
            return PlainTextResponse("no such file", 404)
        return Response(found.part.content, media_type=found.part.media_type)


def _make_name(file: Part) -> str:
    return f"{new_id()}{mimetypes.guess_extension(file.media_type) or ''}"
