"""kie.ai's File Upload API, and the host of its files."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..accounts import bearer_key
from ..clock import format_iso
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
    content: bytes
    media_type: str
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
        async with request.form() as form:
            for name in ("file", "uploadPath"):
                if not form.get(name):
                    raise UploadRefusal(400, f"Missing required parameter: {name}")
            content, media_type = await _read_file(form["file"])
            name = str(form.get("fileName") or _make_name(media_type))
            path = f"{form['uploadPath']}/{name}"
        now = self._state.clock.now()
        self._uploads[path] = _Upload(content, media_type, now)
        data = {
            "fileName": name,
            "filePath": path,
            "downloadUrl": f"{request.base_url}files/uploads/{quote(path)}",
            "fileSize": len(content),
            "mimeType": media_type,
            "uploadedAt": format_iso(now),
        }
        message = "File uploaded successfully"
        return JSONResponse({"success": True, "code": 200, "msg": message, "data": data})

    async def serve(self, request: Request) -> Response:
        """Respond with the file while it lives."""
        found = self._uploads.get(request.path_params["path"])
        if found is None or self._state.clock.now() >= found.at + LIFE_S:
            return PlainTextResponse("no such file", 404)
        return Response(found.content, media_type=found.media_type)


async def _read_file(part: UploadFile | str) -> tuple[bytes, str]:
    """Return the bytes of a part and its media type; raises UploadRefusal if it is no file."""
    content = b"" if isinstance(part, str) else await part.read()
    if isinstance(part, str) or not content:
        raise UploadRefusal(400, "Missing required parameter: file")
    return content, part.content_type or "text/plain"


def _make_name(media_type: str) -> str:
    return f"{new_id()}{mimetypes.guess_extension(media_type) or ''}"
