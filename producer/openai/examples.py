"""Examples for the OpenAPI document: requests for images, and their answers."""

from __future__ import annotations

from typing import Any

MODEL = "kie/nano-banana-2"
JOB_ID = "job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"
GENERATE: dict[str, Any] = {
    "generate": {
        "summary": "An image",
        "value": {
            "model": "kie-flux-kontext",
            "prompt": "a lighthouse in a storm, oil on canvas",
            "size": "1024x1024",
        },
    },
    "params": {
        "summary": "With parameters of the model",
        "value": {
            "model": "acedata-flux",
            "prompt": "a lighthouse at night",
            "n": 2,
            "params": {"model": "flux-dev", "size": "16:9"},
            "metadata": {"order": 7},
        },
    },
}
ANSWER: dict[str, Any] = {
    "created": 1795176000,
    "id": JOB_ID,
    "job": JOB_ID,
    "data": [
        {
            "url": f"https://images.example/v1/images/{JOB_ID}/files/0?expires=1795179600&signature=..."
        }
    ],
}
EDIT: dict[str, Any] = {
    "model": "kie-flux-kontext",
    "prompt": "the same at night",
    "image": "lighthouse.png",
}
PENDING: dict[str, Any] = {
    "id": JOB_ID,
    "job": JOB_ID,
    "status": "queued",
    "created": 1795176000,
}
