"""The endpoint of uploads."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from ....jobs.upload import EXTENSIONS, Upload
from ...input_images import InputImages
from ..access import Access, Caller
from ..images import storage_errors_as_503
from ..problems import error_responses

_BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": dict.fromkeys([*EXTENSIONS, "application/octet-stream"], _BINARY),
    }
}


def routes(images: InputImages, access: Access) -> APIRouter:
    """Return the route that takes an image."""
    router = APIRouter(prefix="/v1/uploads", tags=["images"], dependencies=[Depends(access)])

    @router.post(
        "",
        summary="Upload an image",
        status_code=201,
        responses=error_responses(413, 422, 429),
        openapi_extra=BODY,
    )
    async def upload_image(request: Request, caller: Annotated[Caller, Depends(access)]) -> Upload:
        """Store the bytes of an image of up to 30 MB; `image_urls` takes its `id`."""
        await run_in_threadpool(access.acquire, caller, 1)
        with storage_errors_as_503(), await run_in_threadpool(images.storage.temporary) as file:
            async for chunk in request.stream():
                await run_in_threadpool(file.write, chunk)
            return await run_in_threadpool(images.add, file, caller.name)

    return router
