"""Examples for the OpenAPI document: one job, from its request to its result."""

from __future__ import annotations

from typing import Any

REQUEST: dict[str, Any] = {
    "provider": "kie-flux-kontext",
    "prompt": "a lighthouse in a storm, oil on canvas",
    "params": {"aspect_ratio": "16:9"},
    "metadata": {"order": 7},
}
EDIT: dict[str, Any] = {
    "provider": "acedata-flux",
    "action": "edit",
    "prompt": "the same at night",
    "image_urls": ["https://example.com/lighthouse.png"],
}
REQUESTS: dict[str, Any] = {
    "generate": {"summary": "A new image", "value": REQUEST},
    "edit": {"summary": "An edit of an image", "value": EDIT},
}
QUEUED: dict[str, Any] = {
    "id": "job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD",
    "state": "queued",
    **REQUEST,
    "action": "generate",
    "image_urls": [],
    "delivery": "poll",
    "task_id": None,
    "submitted_by": "shop",
    "batch": None,
    "webhook_url": None,
    "error": None,
    "images": [],
    "created_at": "2026-11-20T12:00:00Z",
    "updated_at": "2026-11-20T12:00:00Z",
    "history": [],
}
BATCH_ID = "batch_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"
BATCH_REQUEST: dict[str, Any] = {
    "items": [{**REQUEST, "idempotency_key": "order-7"}, EDIT],
    "on_error": "refuse",
}
BATCH: dict[str, Any] = {
    "id": BATCH_ID,
    "created_at": "2026-11-20T12:00:00Z",
    "submitted_by": "shop",
    "progress": {"queued": 1},
    "total": 1,
    "ended": 0,
}
ACCEPTED_BATCH: dict[str, Any] = {
    **BATCH,
    "jobs": [QUEUED["id"], None],
    "refused": [
        {
            "index": 1,
            "line": None,
            "problems": [{"field": "image_urls", "message": "is required for this action"}],
        }
    ],
}
CHANGE: dict[str, Any] = {"job": QUEUED["id"], "state": "submitting"}


def describe_response(example: object, **more: Any) -> dict[str, Any]:
    """Return a response description with an example of its JSON."""
    return {"content": {"application/json": {"example": example}}, **more}
