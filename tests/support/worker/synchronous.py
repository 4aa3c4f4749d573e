"""Jobs of a provider that answers with the images themselves."""

import base64
from typing import Any

from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.jobs import queued
from support.stub import Stub

NAME = "openai-images"


def answer(*contents: bytes) -> tuple[int, dict[str, Any]]:
    data = [{"b64_json": base64.b64encode(each).decode()} for each in contents]
    return 200, {"created": 1, "data": data}


def list_inline(ctx: Context, job_id: str) -> list[bytes]:
    return sorted(ctx.store.redis.scan_iter(f"iq:inline:{job_id}:*"))


def submit_one(ctx: Context, stub: Stub, *contents: bytes) -> str:
    stub.answer = lambda *_: answer(*contents)
    job_id = queued(ctx, provider=NAME)
    submit(ctx, job_id)
    return job_id
