"""OpenAI's endpoints of images and models, answered by jobs of the queue."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ...config.settings import Settings
from ...errors import InvalidRequestError, Problem
from ...jobs.idempotency import MAX_KEY_LENGTH
from ...jobs.tokens import is_valid_result_token
from ...providers.model_names import list_model_names
from ...storage import Storage
from ..api import images
from ..api.access import Access, Caller
from ..api.form import REFUSALS, Form, discarding, read_form
from ..client import LocalClient
from . import documents, examples
from .acceptance import Acceptance, Accepted
from .body import ImageRequest, parse_form
from .errors import OpenAIError, OpenAIRoute, error_responses, refuse
from .prefer import parse_preferences
from .translate import translate
from .waiting import Waiting

IMAGE_FIELDS = ("image", "image[]")
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="Repeating a request with its key within 24 h returns the original images.",
    ),
]
Prefer = Annotated[
    str,
    Header(
        max_length=200,
        description="`respond-async` gets 202 in place of a wait; `wait=10` shortens the wait.",
    ),
]
RetryCount = Annotated[
    str | None,
    Header(
        alias="x-stainless-retry-count",
        max_length=10,
        description="OpenAI's SDKs send it: `0` is a new request, a higher one its repetition.",
    ),
]
Format = Annotated[
    Literal["url", "b64_json"] | None, Query(description="If it is omitted, images have both.")
]


@dataclass(frozen=True)
class SubmitHeaders:
    """The headers of a request for images."""

    prefer: Prefer = ""
    idempotency_key: IdempotencyKey = None
    retry_count: RetryCount = None


ERRORS = error_responses(400, 401, 403, 404, 408, 409, 413, 415, 429, 502, 503, 504)


def routes(
    settings: Settings,
    client: LocalClient,
    access: Access,
    acceptance: Acceptance,
    waiting: Waiting,
) -> APIRouter:
    """Return the routes that make and edit images, and return those of a job."""
    router = APIRouter(prefix="/v1/images", tags=["openai"], route_class=OpenAIRoute)
    known = Annotated[Caller, Depends(access)]
    answered: dict[int | str, dict[str, Any]] = {**ERRORS, **documents.ANSWERS}

    async def accept_and_answer(
        request: Request,
        caller: Caller,
        headers: SubmitHeaders,
        read: Callable[[], tuple[ImageRequest, list[dict[str, Any]]]],
        form: Form | None = None,
    ) -> Response:
        """Accept what `read` returns, and answer; the request of a form is counted already."""
        preferences = parse_preferences(headers.prefer, settings.images_wait_s)
        uploads = form.uploads if form else []

        def accept(body: ImageRequest, jobs: list[dict[str, Any]]) -> Accepted:
            access.acquire(caller, len(jobs) - (1 if form else 0))
            files = [(name, each.sha256) for name, each in uploads]
            sent = {"files": files, **body.model_dump(mode="json")}
            is_new = headers.retry_count == "0"
            return acceptance.accept(jobs, sent, caller, headers.idempotency_key, is_new)

        with ExitStack() as held:
            stored = [upload for _, upload in uploads]
            async with discarding(client.input_images, stored, (*REFUSALS, OpenAIError)):
                body, jobs = read()
                held.enter_context(waiting.hold(caller, preferences))
                accepted = await run_in_threadpool(accept, body, jobs)
            return await waiting.answer(
                request, caller, accepted, preferences, body.response_format
            )

    @router.post("/generations", summary="Make images", response_class=Response, responses=answered)
    async def create_images(
        request: Request,
        body: Annotated[ImageRequest, Body(openapi_examples=examples.GENERATE)],
        caller: known,
        headers: Annotated[SubmitHeaders, Depends()],
    ) -> Response:
        """Queue a request for images, and answer with them once they are made.

        A request that is sent again gets the same images, and is paid once.
        """

        def read() -> tuple[ImageRequest, list[dict[str, Any]]]:
            return body, translate(body, "generate")

        return await accept_and_answer(request, caller, headers, read)

    @router.post(
        "/edits",
        summary="Edit images",
        response_class=Response,
        responses=answered,
        openapi_extra=documents.describe_form(),
    )
    async def edit_images(
        request: Request,
        caller: known,
        headers: Annotated[SubmitHeaders, Depends()],
    ) -> Response:
        """Queue an edit of the images in a form, and answer with its images once they are made."""
        # Before anything is stored. Whether it is for several images is known afterwards.
        await run_in_threadpool(access.acquire, caller, 1)
        form = await read_form(request, client.input_images, caller.name)
        return await accept_and_answer(request, caller, headers, partial(_read_edit, form), form)

    @router.get("/{job}", summary="Get the images of a job", responses=answered)
    async def get_images(
        job: str,
        request: Request,
        caller: known,
        response_format: Format = None,
        prefer: Prefer = "",
    ) -> Response:
        """Return the images of a job or batch, its error, or 202 while it is not finished."""
        preferences = parse_preferences(f"respond-async, {prefer}", settings.images_wait_s)
        with waiting.hold(caller, preferences):
            return await waiting.answer(
                request, caller, Accepted(job), preferences, response_format
            )

    return router


def _read_edit(form: Form) -> tuple[ImageRequest, list[dict[str, Any]]]:
    """Return the request in a form, and its jobs; raises OpenAIError or InvalidRequestError."""
    body = parse_form(form.texts)
    given = [each.id for name, each in form.uploads if name in IMAGE_FIELDS]
    masks = [each.id for name, each in form.uploads if name == "mask"]
    if unknown := {name for name, _ in form.uploads} - {*IMAGE_FIELDS, "mask"}:
        raise refuse("files may be image, image[] and mask", min(unknown))
    if not given:
        raise InvalidRequestError([Problem("image", "is required: send one file or several")])
    return body, translate(body, "edit", given, next(iter(masks), None), is_form=True)


def file_routes(
    settings: Settings, client: LocalClient, storage: Storage, now: Callable[[], datetime]
) -> APIRouter:
    """Return the route of a single image, which needs a signature in place of an API key."""
    router = APIRouter(prefix="/v1/images", tags=["openai"], route_class=OpenAIRoute)

    @router.get(
        "/{job}/files/{n}",
        summary="Get an image by its signed URL",
        response_class=Response,
        responses=error_responses(400, 404, 503),
    )
    def get_signed_image(
        job: str,
        n: int,
        request: Request,
        expires: int,
        signature: Annotated[str, Query(max_length=64)],
    ) -> Response:
        """Return the file, until the end that is part of the URL."""
        is_valid = is_valid_result_token(signature, settings.signing_secrets, job, n, expires)
        if not is_valid or now().timestamp() >= expires:
            raise refuse("no such image, or its URL has ended", None, "not_found", 404)
        return images.serve_image(storage, images.find_image(client.get(job), n), request)

    return router


def model_routes(access: Access) -> APIRouter:
    """Return the route that lists the models."""
    router = APIRouter(prefix="/v1", tags=["openai"], route_class=OpenAIRoute)

    @router.get(
        "/models",
        summary="List the models",
        dependencies=[Depends(access)],
        responses=error_responses(401, 403, 503),
    )
    def list_models() -> documents.ModelList:
        """Return every model that `/v1/images` takes; some providers take others, too."""
        names = list_model_names()
        return documents.ModelList(
            data=[documents.Model(id=each, owned_by=each.partition("/")[0]) for each in names]
        )

    return router
