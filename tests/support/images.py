"""Saved images for the tests of the HTTP API."""

import hashlib
from datetime import timedelta
from typing import Any

import requests

from imagequeue.jobs.job import Image, State
from imagequeue.worker.context import Context
from support.hostile import picture
from support.jobs import queued
from support.s3 import keep

PNG = picture(size=(800, 600))
SIZE = len(PNG)
ETAG = f'"{hashlib.sha256(PNG).hexdigest()}"'


def stored(ctx: Context, data: bytes = PNG, name: str = "{}/0.png", **fields: Any) -> str:
    """Add a job with one image in storage, or said to be at `uri`; return its id."""
    job_id = queued(ctx)
    name = name.format(job_id)
    content_type = "video/mp4" if name.endswith("mp4") else "image/png"
    image = Image(
        index=0,
        source_url="https://x/0",
        expires_at=ctx.now() + timedelta(hours=1),
        state="stored",
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        content_type=content_type,
        name=None if fields else name,
        uri=fields.get("uri") or keep(ctx.storage, name, data, content_type),
    )
    for state in (State.SUBMITTING, State.DOWNLOADING):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job: job.transition_to(state, "test", ctx.now(), ctx.now(), images=(image,)),  # noqa: B023
        )
    return job_id


def get(url: str, **headers: str) -> requests.Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=headers, timeout=30)
