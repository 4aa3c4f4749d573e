"""The endpoints of saved images."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from ....storage import Storage
from ...client import LocalClient
from .. import images
from ..access import Access, Caller
from ..problems import error_responses

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": _BINARY, "video/*": _BINARY}},
    206: {
        "content": {"image/*": _BINARY, "video/*": _BINARY},
        "description": "The requested range.",
    },
    304: {"description": "Not modified: a saved image never changes."},
}
THUMBNAIL: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": _BINARY}}}


def routes(client: LocalClient, access: Access, storage: Storage) -> APIRouter:
    """Return the routes that serve saved images and thumbnails."""
    router = APIRouter(
        prefix="/v1/jobs/{job_id}/images/{n}",
        tags=["images"],
        dependencies=[Depends(access)],
        default_response_class=Response,
    )

    @router.get(
        "",
        summary="Get an image or video",
        responses={**error_responses(404, 416, 422), **IMAGE},
    )
    def get_image(
        job_id: str, n: int, request: Request, caller: Annotated[Caller, Depends(access)]
    ) -> Response:
        """Return the saved file; `Range` and `If-None-Match` are supported."""
        job = client.get(job_id, submitted_by=caller.sees)
        return images.serve_image(storage, images.find_image(job, n), request)

    @router.get(
        "/thumbnail",
        summary="Get a thumbnail",
        responses={**error_responses(404, 422), **THUMBNAIL},
    )
    def get_thumbnail(job_id: str, n: int, caller: Annotated[Caller, Depends(access)]) -> Response:
        """Return a small WebP of a saved image; videos have none."""
        job = client.get(job_id, submitted_by=caller.sees)
        return images.serve_thumbnail(storage, job, images.find_image(job, n))

    return router
