"""A FastAPI service beside the queue: no HTTP API between it and Redis."""

import os
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

from imagequeue import LocalClient, UnknownJobError
from imagequeue.jobs.job import Job

HOOK = os.environ.get("SERVICE_URL", "http://localhost:5001") + "/webhook"
client = LocalClient()  # with the settings of the queue: IMAGEQUEUE_* and .env
SECRET = client.settings.webhook_secrets[0]
app = FastAPI()
images: dict[str, list[str | None]] = {}  # a real service uses its database


@app.post("/order", status_code=202)
def order(prompt: str, idempotency_key: Annotated[str | None, Header()] = None) -> Job:
    request = {"provider": "acedata-flux", "prompt": prompt, "webhook_url": HOOK}
    return client.submit_request(request, idempotency_key=idempotency_key).job


@app.get("/order/{job_id}")
def ended_order(job_id: str) -> Job:
    """Wait for the job: the alternative to a webhook."""
    try:
        return client.wait(job_id, timeout_s=30)
    except UnknownJobError as error:
        raise HTTPException(404, str(error)) from None
    except TimeoutError:
        raise HTTPException(504, "not ready yet: ask again") from None


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
def all_images() -> dict[str, list[str | None]]:
    return images
