"""Examples for the OpenAPI document: one job, from its request to its result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ...jobs.batch import Batch
from ...jobs.job import Job, State

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
_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
_JOB = Job(
    id="job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD",
    **REQUEST,
    action="generate",
    delivery="poll",
    submitted_by="shop",
    created_at=_AT,
    wake_at=_AT,
)
_BATCH = Batch(
    id="batch_01KAJ6WRX0M9S3H1V5T7Q2Z4CD",
    created_at=_AT,
    submitted_by="shop",
    progress={State.QUEUED: 1},
)
QUEUED: dict[str, Any] = _JOB.model_dump(mode="json", by_alias=True)
BATCH_REQUEST: dict[str, Any] = {
    "items": [{**REQUEST, "idempotency_key": "order-7"}, EDIT],
    "on_error": "refuse",
}
ACCEPTED_BATCH: dict[str, Any] = {
    **_BATCH.model_dump(mode="json"),
    "jobs": [_JOB.id, None],
    "refused": [
        {
            "index": 1,
            "line": None,
            "problems": [{"field": "image_urls", "message": "is required for this action"}],
        }
    ],
}
CHANGE: dict[str, Any] = {"job": _JOB.id, "state": "submitting"}


def describe_response(example: object, **more: Any) -> dict[str, Any]:
    """Return a response description with an example of its JSON."""
    return {"content": {"application/json": {"example": example}}, **more}
