"""What a provider's requests have to hold: validated by field, built without side effects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache

from ...errors import InvalidRequestError
from ..base import BatchProvider, Provider, RequestForm
from ..synchronous import SynchronousProvider
from ..wire import ProviderRequest
from .cases import Subject
from .samples import PROMPT, Sample, break_bounds, make_sample

CALLBACK_URL = "https://queue.example/callbacks/one/two"
TASKS = ("task&12345", "task&67890")


@cache
def list_samples(provider: Provider) -> list[tuple[RequestForm, Sample | None]]:
    """Return a valid request of each form that a provider takes, where one was found."""
    return [(form, make_sample(provider, form)) for form in provider.list_forms()]


def check_descriptions(subject: Subject) -> Iterator[str]:
    """Every field of its requests is described."""
    for form in subject.provider.list_forms():
        if not (form.title or form.type.__doc__):
            yield f"{form.action} lacks a title or a docstring"
        for name, info in form.type.model_fields.items():
            if not info.description:
                yield f"{_name(form)}: {name} lacks a description"
    if missing := {form.action for form in subject.provider.list_forms()} ^ {
        *subject.provider.actions
    }:
        yield f"its actions and its forms differ in {', '.join(sorted(missing))}"


def check_building(subject: Subject) -> Iterator[str]:
    """Valid requests are built the same each time, with prompt, images and callback URL."""
    for form, sample in list_samples(subject.provider):
        if sample is None:
            yield f"{_name(form)}: no valid request could be made from its schema"
            continue
        for api_version in subject.provider.api_versions:
            for problem in _check_built(subject.provider, sample, api_version):
                yield f"{_name(form)}, {api_version}: {problem}"


def _check_built(provider: Provider, sample: Sample, api_version: str) -> Iterator[str]:
    provider = provider.select(sample.params)
    request = sample.validate(provider)
    before = request.model_dump_json()
    try:
        built = provider.build_submit_request(request, CALLBACK_URL, api_version)
    except InvalidRequestError:
        return  # this version of the API cannot express it
    if built != provider.build_submit_request(sample.validate(provider), CALLBACK_URL, api_version):
        yield "the same request is built in two ways"
    if request.model_dump_json() != before:
        yield "the validated request is changed"
    if built.method != "POST":
        yield f"a paid request must be a POST, not a {built.method}"
    yield from _check_path(built)
    text = _dump(built)
    sent = [*sample.fields.get("image_urls", ())]
    sent += [] if isinstance(provider, SynchronousProvider) else [CALLBACK_URL]
    sent += [sample.fields["prompt"]] if sample.fields.get("prompt", "").startswith(PROMPT) else []
    if missing := [value for value in sent if value not in text]:
        yield f"it lacks {missing[0]}"
    if CALLBACK_URL in _dump(provider.build_submit_request(request, None, api_version)):
        yield "a polled job has a callback URL"


def _check_path(built: ProviderRequest) -> Iterator[str]:
    if not built.path.startswith("/") or "?" in built.path:
        yield f"the path {built.path} must begin with a slash and have no query"


def check_bounds(subject: Subject) -> Iterator[str]:
    """Invalid requests are refused, by the field that is wrong."""
    provider = subject.provider
    for form, sample in list_samples(provider):
        if sample is None:
            continue
        for field, broken in break_bounds(sample, form):
            if problem := _find_wrong_refusal(provider, field, broken):
                yield f"{_name(form)}: {problem}"
        params = {**sample.params, "prompt": "x"}
        try:
            provider.validate_request(form.action, "x", (), params)
            yield f"{_name(form)}: a prompt in the params is accepted"
        except InvalidRequestError:
            pass
    unknown = Sample("no-such-action", {"prompt": PROMPT})
    if problem := _find_wrong_refusal(provider, "action", unknown):
        yield problem


def _find_wrong_refusal(provider: Provider, field: str, broken: Sample) -> str | None:
    try:
        broken.validate(provider)
    except InvalidRequestError as error:
        named = [problem.field for problem in error.problems]
        if any(name == field or name.startswith(f"{field}.") for name in named):
            return None
        return f"a wrong {field} is refused as {', '.join(named)}"
    return f"a wrong {field} is accepted: {broken.fields.get(field.removeprefix('params.'))!r:.60}"


def check_status_requests(subject: Subject) -> Iterator[str]:
    """Its status requests name their tasks."""
    if isinstance(subject.provider, SynchronousProvider):
        return
    for provider in subject.provider.services:
        for api_version in provider.api_versions:
            built = provider.build_status_request(TASKS[0], api_version)
            yield from _check_path(built)
            if TASKS[0] not in _dump(built):
                yield f"{built.method} {built.path} lacks the task's id"
        if isinstance(provider, BatchProvider):
            batch = _dump(provider.build_batch_status_request(TASKS))
            if any(task_id not in batch for task_id in TASKS):
                yield "a batch lacks a task's id"
            if provider.max_batch_size < 2:
                yield "max_batch_size must be at least 2"


def _name(form: RequestForm) -> str:
    return f"{form.action} {form.model}".rstrip()


def _dump(built: ProviderRequest) -> str:
    return json.dumps(asdict(built), ensure_ascii=False)


REQUEST_CHECKS = (check_descriptions, check_building, check_bounds, check_status_requests)
