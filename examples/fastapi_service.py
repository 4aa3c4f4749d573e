"""A FastAPI service: a thousand orders may wait at once, all by one connection to the queue."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

from imagequeue import AsyncClient, UnknownJobError

HOOK = os.environ.get("SERVICE_URL", "http://localhost:5001") + "/webhook"
SECRET = os.environ.get("WEBHOOK_SECRET") or Path("data/webhook_secret").read_text()
client = AsyncClient()  # IMAGEQUEUE_URL and IMAGEQUEUE_API_KEY
images: dict[str, list[str]] = {}  # a real service uses its database


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    async with client:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/order", status_code=202)
async def order(
    prompt: str, idempotency_key: Annotated[str | None, Header()] = None
) -> dict[str, str]:
    key: dict[str, Any] = {"idempotency_key": idempotency_key} if idempotency_key else {}
    job = await client.submit("acedata-flux", prompt, webhook_url=HOOK, **key)
    return {"id": job.id, "state": job.state}


@app.get("/order/{job_id}")
async def ended_order(job_id: str) -> dict[str, str]:
    """Wait for the job: the alternative to a webhook."""
    try:
        job = await client.wait(job_id, timeout_s=30)
    except UnknownJobError as error:
        raise HTTPException(404, str(error)) from None
    except TimeoutError:
        raise HTTPException(504, "not ready yet: ask again") from None
    return {"id": job.id, "state": job.state}


@app.post("/webhook")
async def webhook(request: Request) -> Response:
    try:
        event = Webhook(SECRET).verify(await request.body(), dict(request.headers))
    except WebhookVerificationError as error:
        raise HTTPException(400, str(error)) from None
    job = event["data"]
    images[job["id"]] = [image["uri"] for image in job["images"]]
    return Response(status_code=204)


@app.get("/images")
async def all_images() -> dict[str, list[str]]:
    return images
