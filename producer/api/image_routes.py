"""The API's endpoints on images."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from ...storage import Storage
from ..client import Client
from . import images
from .access import Access
from .problems import error_responses

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": _BINARY, "video/mp4": _BINARY}},
    206: {"content": {"image/*": _BINARY, "video/mp4": _BINARY}, "description": "A range of it."},
    304: {"description": "Not changed: it never is."},
}
THUMBNAIL: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": _BINARY}}}


def routes(client: Client, access: Access, storage: Storage) -> APIRouter:
    """Fetch what was saved."""
    router = APIRouter(
        prefix="/v1/jobs/{job_id}/images/{n}",
        tags=["pictures"],
        dependencies=[Depends(access)],
        default_response_class=Response,
    )

    @router.get(
        "",
        summary="Fetch a picture or video",
        responses={**error_responses(404, 416, 422), **PICTURE},
    )
    def get_image(job_id: str, n: int, request: Request) -> Response:
        """What was saved; `Range` and `If-None-Match` are understood."""
        return images.picture(storage, images.image_of(client.get(job_id), n), request)

    @router.get(
        "/thumbnail",
        summary="Fetch a thumbnail",
        responses={**error_responses(404, 422), **THUMBNAIL},
    )
    def get_thumbnail(job_id: str, n: int) -> Response:
        """A small WebP of a saved picture; there is none of a video."""
        job = client.get(job_id)
        return images.thumbnail(storage, job, images.image_of(job, n))

    return router
