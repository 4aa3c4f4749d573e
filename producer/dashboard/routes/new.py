"""The page of a new job: choose a model, fill in its form, see the cost, submit it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from ....config.budgets import USD
from ....errors import IdempotencyConflictError, ImageQueueError, InvalidRequestError, Problem
from ....jobs.build import build_job
from ....jobs.job import utc_now
from ....jobs.upload import Upload
from ....providers import get as get_provider
from ....providers.request import PRIORITIES, parse_request
from ....store.submit.places import estimate_cost
from ...api.access import Access, Caller
from ...api.form import MAX_FIELDS, MAX_FILES, MAX_TEXT_BYTES, read_form
from ...api.problems import get_status
from ...client import LocalClient
from ..formatting import format_usd
from ..page_route import PageRoute, describe_caller, require_login
from ..rendering import render
from ..request_form import Choice, Texts, find_choice, list_choices

SENT_BEFORE = "This form was sent before, with other values. Submit it again to pay for another job"
# What a request without them is estimated with.
STAND_INS = {"prompt": "-", "image_urls": ["https://images.example/0.png"]}


class _Form(NamedTuple):
    """A form as its caller sees it."""

    request: Request
    caller: Caller
    choices: Sequence[Choice]
    choice: Choice | None
    texts: Texts
    uploads: Sequence[Upload] = ()
    """The files that were just sent."""


def new_router(client: LocalClient, access: Access) -> APIRouter:
    """Return the routes that show the form of a new job, and submit it."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)
    # To describe all models takes half a second, for which the start of the API does not wait.
    list_all = cache(lambda: list_choices(client.settings))

    @router.get("/new")
    def show(
        request: Request, kind: str = "", like: str = "", image: str = "", caller: Caller = login
    ) -> Response:
        if caller.is_read_only:
            raise HTTPException(403, "a viewer makes no jobs: log in with another role")
        given: dict[str, Any] = {"image_urls": [image]} if image else {}
        choices = list_all()
        choice = _find(choices, kind)
        if like:
            job = client.get(like, submitted_by=caller.sees)
            given = job.model_dump(include={"prompt", "image_urls", "params"})
            choice = find_choice(choices, job.provider, job.action, job.params)
        texts = choice.fill(given) if choice else {}
        cost = _estimate_default(client, choice, texts) if choice else ""
        return _render_form(_Form(request, caller, choices, choice, texts), cost=cost, image=image)

    @router.post("/new")
    async def create(request: Request, caller: Caller = login) -> Response:
        # Parsed once: `read_form` gets the same, and what was typed outlives its errors.
        async with request.form(
            max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_TEXT_BYTES
        ) as sent:
            texts = {name: text for name, text in sent.multi_items() if isinstance(text, str)}
            choices = await run_in_threadpool(list_all)
            choice = _find(choices, texts.get("kind", ""))
            if choice is None:
                raise HTTPException(400, "choose a provider and a model first")
            shown = _Form(request, caller, choices, choice, texts)
            is_submitted = texts.get("then") != "estimate"
            has_files = any(not isinstance(part, str) and part.filename for part in sent.values())
            try:
                if is_submitted or has_files:
                    await run_in_threadpool(access.acquire, caller, 1)
                files = await read_form(
                    request, client.input_images, caller.name, skips_unchosen=True
                )
            except (ImageQueueError, HTTPException) as error:
                return _render_form(shown, error=error)
        # After an error the form names them: a browser would not send the files again.
        uploads = [upload for _, upload in files.uploads]
        ids = [upload.id for upload in uploads]
        texts["image_urls"] = "\n".join([*texts.get("image_urls", "").splitlines(), *ids])
        answer = _submit if is_submitted else _show_cost
        return await run_in_threadpool(answer, client, shown._replace(uploads=uploads), choice)

    return router


def _find(choices: Sequence[Choice], value: str) -> Choice | None:
    return next((each for each in choices if each.value == value), None)


def _render_form(
    form: _Form, *, cost: str = "", error: Exception | None = None, image: str = ""
) -> Response:
    choice, texts = form.choice, form.texts
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.OK
    if isinstance(error, ImageQueueError):
        status = get_status(error)
    # The same key would answer with the job of the first request, or refuse another one.
    needs_key = not texts.get("key") or isinstance(error, IdempotencyConflictError)
    offered = [each for each in form.choices if each.takes_images or not image]
    return render(
        "new.html",
        status,
        choices={
            name: [each for each in offered if each.provider == name]
            for name in dict.fromkeys(each.provider for each in offered)
        },
        choice=choice,
        fields=choice.fields if choice else [],
        texts=texts,
        key=secrets.token_urlsafe(16) if needs_key else texts["key"],
        problems=_list_problems(error) if error else [],
        cost=cost,
        image=image,
        priorities=PRIORITIES[PRIORITIES.index(form.caller.max_priority) :],
        **describe_caller(form.request, form.caller),
    )


def _submit(client: LocalClient, form: _Form, choice: Choice) -> Response:
    """Queue the job and redirect to its page, or show what is wrong."""
    try:
        job, is_replayed = client.submit_request(
            choice.read(form.texts),
            # A form that is sent twice, such as by a reload, is paid once.
            idempotency_key=form.texts.get("key") or None,
            submitted_by=form.caller.name,
            sees=form.caller.sees,
            max_priority=form.caller.max_priority,
        )
    except ImageQueueError as error:
        return _render_form(form, error=error)
    if is_replayed:
        client.input_images.discard(form.uploads)
    return RedirectResponse(f"/jobs/{job.id}?done=submitted", HTTPStatus.SEE_OTHER)


def _show_cost(client: LocalClient, form: _Form, choice: Choice) -> Response:
    try:
        cost, error = _estimate(client, choice.read(form.texts)), None
    except ImageQueueError as refused:
        cost, error = "", refused
    return _render_form(form, cost=cost, error=error)


def _list_problems(error: Exception) -> Sequence[Problem]:
    """Return what to change; a problem without a field concerns the whole request."""
    if isinstance(error, InvalidRequestError):
        return error.problems
    if isinstance(error, IdempotencyConflictError):
        return [Problem("", SENT_BEFORE)]
    return [Problem("", str(error.detail if isinstance(error, HTTPException) else error))]


def _estimate_default(client: LocalClient, choice: Choice, texts: Texts) -> str:
    """Return the expected price of a form that may lack a prompt or images; empty if unknown."""
    given = {name: text for name, text in texts.items() if text}
    missing = {field.name for field in choice.fields if field.is_required} - set(given)
    try:
        stand_ins = {name: STAND_INS[name] for name in missing & set(STAND_INS)}
        return _estimate(client, choice.read(given) | stand_ins)
    except ImageQueueError:
        return ""


def _estimate(client: LocalClient, request: Mapping[str, Any]) -> str:
    """Return the expected price of a request in words, empty if unknown.

    Raises InvalidRequestError or ConfigError.
    """
    job = build_job(client.settings, parse_request(request), utc_now())
    costs = estimate_cost(job)
    if USD in costs:
        return f"about {format_usd(costs[USD] / 1e6)}"
    account = get_provider(job.provider).account.name
    return f"about {job.estimate / 1e6:g} credits of {account}" if job.estimate else ""
