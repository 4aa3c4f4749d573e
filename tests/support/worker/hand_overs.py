"""Jobs that start from images of our storage, and the answers of their providers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from imagequeue.jobs.job import Image, State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from support.jobs import KIE_ACCEPTED, move, queued
from support.stub import Stub
from support.worker.downloads import folder_of, make_image

PNG = make_image("PNG")
UNKNOWN = "upload_01KA0000000000000000000000"
UPLOAD_PATH = "/api/file-stream-upload"
AT_PROVIDER = "https://files.example/handed.png"
UPLOADED = (200, {"success": True, "code": 200, "msg": "ok", "data": {"downloadUrl": AT_PROVIDER}})
OPENAI = {
    "provider": "openai-images",
    "params": {"model": "gpt-image-1"},
}
ACEDATA = {"provider": "acedata-flux"}


def edit(client: LocalClient, *image_urls: str, **fields: Any) -> str:
    given: dict[str, Any] = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "a hat"}
    return client.submit(**{**given, "image_urls": image_urls, **fields}).id


def succeed(ctx: Context, lifetime: timedelta = timedelta(hours=20)) -> str:
    """A job that has succeeded with one stored image; returns its id."""
    job_id = queued(ctx)
    path = folder_of(ctx) / job_id / "0.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(PNG)
    image = Image(
        index=0,
        source_url="https://a.example/0.png",
        expires_at=ctx.now() + lifetime,
        state="stored",
        name=f"{job_id}/0.png",
        uri=path.as_uri(),
        content_type="image/png",
        bytes=len(PNG),
    )
    move(ctx, job_id, State.SUBMITTING, State.WAITING)
    move(ctx, job_id, State.DOWNLOADING, State.SUCCEEDED, images=(image,))
    return job_id


def answer(uploaded: Any = UPLOADED, paid: Any = KIE_ACCEPTED) -> Callable[..., Any]:
    return lambda _, path, __: uploaded if path == UPLOAD_PATH else paid


def paid_bodies(stub: Stub) -> list[Any]:
    return [body for method, path, body in stub.asked if method == "POST" and path != UPLOAD_PATH]
