"""Callbacks as the bytes of their requests."""

from __future__ import annotations

import json
from typing import NamedTuple

PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]


class Post(NamedTuple):
    """One callback."""

    task_id: str
    request: bytes


def make_post(path: str, task_id: str, image_url: str) -> Post:
    """Return a callback of about a kilobyte, as kie's newer API sends it."""
    param = {"model": "flux1-kontext", "input": {"prompt": PROMPT, "aspect_ratio": "16:9"}}
    data = {
        "taskId": task_id,
        "model": "flux1-kontext",
        "state": "success",
        "param": json.dumps(param),
        "resultJson": json.dumps({"resultUrls": [image_url]}),
        "failCode": "",
        "failMsg": "",
        "costTime": 15000,
        "completeTime": 1698765432000,
        "createTime": 1698765400000,
        "updateTime": 1698765432000,
        "consumeCredits": 5,
        "remainedCredits": 95,
    }
    text = {"code": 200, "msg": "Playground task completed successfully.", "data": data}
    body = json.dumps(text).encode()
    head = (
        f"POST {path} HTTP/1.1\r\n"
        "Host: callbacks.example\r\n"
        "User-Agent: okhttp/4.12.0\r\n"
        "Accept-Encoding: gzip\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        "X-Webhook-Timestamp: 1698765432\r\n"
        "X-Webhook-Signature: q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Post(task_id, head.encode() + body)
