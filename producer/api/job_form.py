"""A job together with its images: `POST /v1/jobs` as a multipart form."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from ...errors import InvalidRequestError, Problem
from ...jobs.job import Job
from ...jobs.upload import Upload
from ...providers.request import JobRequest, parse_request
from ..client import LocalClient, Submitted
from .access import Access, Caller
from .body_limit import MAX_BYTES, is_form
from .form import MAX_FILES, Form, discarding, read_form
from .routes.jobs import REPLAYED, IdempotencyKey

REQUEST, IMAGE = "request", "image"
# One is enough: the others are named in the error.
MAX_FIELDS = 8
FORM_BODY: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": [REQUEST],
        "properties": {
            REQUEST: {"$ref": "#/components/schemas/JobRequest"},
            IMAGE: {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "maxItems": MAX_FILES,
                "description": "Files of up to 30 MB each; they follow the request's `image_urls`.",
            },
        },
    },
    "encoding": {REQUEST: {"contentType": "application/json"}},
}
"""The form, for the OpenAPI document."""


class FormRoute(APIRoute):
    """A route that only multipart forms take; others go on to the next one of its path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return no match for a body of another content type."""
        return super().matches(scope) if is_form(scope) else (Match.NONE, {})


def routes(client: LocalClient, access: Access) -> APIRouter:
    """Return the route, which has to come before the one for JSON."""
    router = APIRouter(prefix="/v1/jobs", route_class=FormRoute, dependencies=[Depends(access)])

    @router.post("", status_code=202, include_in_schema=False)
    async def submit_form(
        request: Request,
        caller: Annotated[Caller, Depends(access)],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> Job:
        """Store the images as uploads, and accept the request that starts from them."""
        await run_in_threadpool(access.acquire, caller, 1)
        images = client.input_images
        form = await read_form(
            request,
            images,
            caller.name,
            max_files=MAX_FILES + 1,  # the request may be a file as well
            max_fields=MAX_FIELDS,
            max_text_bytes=MAX_BYTES,
            text_files=[REQUEST],
        )
        uploads = [upload for _, upload in form.uploads]

        def submit() -> Submitted:
            return client.submit_request(
                _read_request(form, uploads),
                idempotency_key=idempotency_key,
                submitted_by=caller.name,
                sees=caller.sees,
                max_priority=caller.max_priority,
            )

        async with discarding(images, uploads):
            job, replayed = await run_in_threadpool(submit)
        if replayed:
            response.headers[REPLAYED] = "true"
            await run_in_threadpool(images.discard, uploads)
        return job

    return router


def _read_request(form: Form, uploads: Sequence[Upload]) -> JobRequest:
    """Return the request with its images; raises HTTPException 400 or InvalidRequestError."""
    texts = [text for name, text in form.texts if name == REQUEST]
    unknown = {name for name, _ in form.texts} - {REQUEST}
    unknown |= {name for name, _ in form.uploads} - {IMAGE}
    problems = [
        Problem(name, f"unknown part; known: {REQUEST} as JSON, {IMAGE} as a file")
        for name in sorted(unknown)
    ]
    if len(uploads) > MAX_FILES:
        problems.append(Problem(IMAGE, f"give at most {MAX_FILES} files"))
    if len(texts) != 1:
        problems.append(Problem(REQUEST, "give exactly one part with the request as JSON"))
    if problems:
        raise InvalidRequestError(problems)
    try:
        fields = json.loads(texts[0])
    except (ValueError, RecursionError):
        raise HTTPException(400, f"{REQUEST}: the part is not JSON; send one JSON object") from None
    urls = fields.get("image_urls", []) if isinstance(fields, dict) else None
    if not isinstance(urls, list):
        field = REQUEST if urls is None else "image_urls"
        raise InvalidRequestError([Problem(field, "must be a JSON object, image_urls a list")])
    return parse_request(fields | {"image_urls": [*urls, *(each.id for each in uploads)]})
