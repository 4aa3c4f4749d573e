"""Jobs that need other jobs: they start from their images, or go on with their tasks.

An image of another job is named in `image_urls` as `job_01...` or, for another than its first, as
`job_01.../2`. Its task is named in `params` by `job`, where the provider takes a `task_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..errors import InvalidRequestError, Problem
from ..providers.base import JOB_PARAM, TASK_PARAM
from ..providers.request import MAX_AFTER, JobRequest
from ..providers.wire import INLINE
from .ids import is_job_id
from .job import Job, State


class NeededJobError(Exception):
    """A needed job has not succeeded, or no longer has what is needed of it."""


class Inputs(NamedTuple):
    """What a provider gets instead of the names of jobs."""

    image_urls: tuple[str, ...]
    params: Mapping[str, Any]


def list_needed(request: JobRequest) -> tuple[str, ...]:
    """Return the ids of the jobs that have to succeed before this request is sent."""
    images = [each[0] for each in map(parse_image, request.image_urls) if each]
    task_of = find_task_source(request.params)
    return tuple(dict.fromkeys([*request.after, *images, *([task_of] if task_of else [])]))


def find_task_source(params: Mapping[str, Any]) -> str | None:
    """Return the id of the job whose task these parameters go on with."""
    job_id = params.get(JOB_PARAM)
    return job_id if isinstance(job_id, str) and is_job_id(job_id) else None


def stand_in(image_urls: Sequence[str], params: Mapping[str, Any]) -> Inputs:
    """Return inputs that a provider can validate while the needed jobs have not finished."""
    urls = ("https://images.example/0.png" if parse_image(url) else url for url in image_urls)
    return Inputs(tuple(urls), _put_task(params, "task"))


def check_needed(
    request: JobRequest, needed: Sequence[str], known: Mapping[str, Job], now: datetime
) -> None:
    """Raise InvalidRequestError for what a request can never get from the jobs that it needs.

    `known` are those that its caller may see.
    """
    if len(needed) > MAX_AFTER:
        raise InvalidRequestError([Problem("after", f"a job needs at most {MAX_AFTER} others")])
    problems = []
    for job_id in needed:
        place, job = _find_place(request, job_id), known.get(job_id)
        if job is None:
            problems.append(Problem(place, f"no job {job_id}: check the id"))
        elif job.state in (State.FAILED, State.CANCELLED):
            problems.append(Problem(place, f"{job_id} is {job.state}: name one that may succeed"))
        elif job_id == find_task_source(request.params) and job.provider != request.provider:
            words = f"{job_id} is a job of {job.provider}, whose tasks nobody else knows"
            problems.append(Problem(place, words))
    if not problems and all(known[job_id].state is State.SUCCEEDED for job_id in needed):
        try:
            resolve(request.image_urls, request.params, needed, known, now)
        except NeededJobError as error:
            problems.append(Problem("image_urls" if request.image_urls else "params", str(error)))
    if problems:
        raise InvalidRequestError(problems)


def resolve(
    image_urls: Sequence[str],
    params: Mapping[str, Any],
    needed: Sequence[str],
    known: Mapping[str, Job],
    now: datetime,
) -> Inputs:
    """Return the inputs of a request whose needed jobs have finished; raises NeededJobError."""
    for job_id in needed:
        job = known.get(job_id)
        if job is None:
            raise NeededJobError(f"needs {job_id}, which is deleted")
        if job.state is not State.SUCCEEDED:
            why = f": {job.error.message}" if job.error and job.error.message else ""
            raise NeededJobError(f"needs {job_id}, which is {job.state}{why}")
    urls = tuple(_resolve_image(url, known, now) for url in image_urls)
    task_of = known.get(find_task_source(params) or "")
    if task_of and not task_of.task_id:
        raise NeededJobError(f"needs the task of {task_of.id}, which has none")
    return Inputs(urls, _put_task(params, task_of.task_id or "") if task_of else params)


def _resolve_image(url: str, known: Mapping[str, Job], now: datetime) -> str:
    named = parse_image(url)
    if not named:
        return url
    job_id, index = named
    image = next((each for each in known[job_id].images if each.index == index), None)
    if image is None:
        raise NeededJobError(f"needs {url}, and {job_id} has no such image")
    if image.source_url.startswith(INLINE):
        raise NeededJobError(f"needs {url}, which never had a URL: submit its file instead")
    if image.expires_at <= now:
        words = f"needs {url}, whose URL at the provider has expired: submit its file instead"
        raise NeededJobError(words)
    return image.refreshed_url or image.source_url


def parse_image(url: str) -> tuple[str, int] | None:
    """Return the job and the index of a named image; None for a URL."""
    job_id, slash, index = url.partition("/")
    if not is_job_id(job_id) or (slash and not (index.isdecimal() and len(index) <= 4)):
        return None
    return job_id, int(index or 0)


def _put_task(params: Mapping[str, Any], task_id: str) -> Mapping[str, Any]:
    """Return parameters with a task id in the place of the job that has it."""
    if find_task_source(params) is None:
        return params
    return {**{name: params[name] for name in params if name != JOB_PARAM}, TASK_PARAM: task_id}


def _find_place(request: JobRequest, job_id: str) -> str:
    """Return the field of a request that names a job."""
    if job_id == find_task_source(request.params):
        return f"params.{JOB_PARAM}"
    return "after" if job_id in request.after else "image_urls"
