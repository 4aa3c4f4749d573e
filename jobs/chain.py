"""Jobs that need others, or uploads: they start from images, or go on with tasks.

An image of another job is named in `image_urls` as `job_01...` or, for another than its first, as
`job_01.../2`, and an upload as `upload_01...`. The task of another job is named in `params` by
`job`, where the provider takes a `task_id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeGuard

from ..errors import InvalidRequestError, Problem
from ..providers import find as find_provider
from ..providers.base import JOB_PARAM, TASK_PARAM
from ..providers.request import MAX_AFTER, JobRequest
from ..providers.wire import INLINE
from .ids import is_job_id, is_upload_id
from .image import UNKNOWN_TYPE, Place, StoredImage
from .job import Job, State
from .upload import Upload

_STAND_IN = "https://images.example/0.png"


class NeededJobError(Exception):
    """A needed job has not succeeded, or what is needed of it, or an upload, is gone."""


class Inputs(NamedTuple):
    """What a provider gets instead of the names of jobs and uploads."""

    images: tuple[str | StoredImage, ...]
    """URLs, and images that the provider has to be handed."""
    params: Mapping[str, Any]
    """A parameter may be such an image, too."""

    @property
    def stored(self) -> dict[Place, StoredImage]:
        """The images that the provider has to be handed."""
        places = _iter_places(self.images, self.params)
        return {place: each for place, each in places if isinstance(each, StoredImage)}


class Known(NamedTuple):
    """The jobs and uploads that a request needs and its caller may see, by their ids."""

    jobs: Mapping[str, Job]
    uploads: Mapping[str, Upload]
    now: datetime


def list_needed(request: JobRequest) -> tuple[str, ...]:
    """Return the ids of the jobs that have to succeed before this request is sent."""
    images = [each[0] for each in map(parse_image, request.image_urls) if each]
    task_of = find_task_source(request.params)
    return tuple(dict.fromkeys([*request.after, *images, *([task_of] if task_of else [])]))


def find_task_source(params: Mapping[str, Any]) -> str | None:
    """Return the id of the job whose task these parameters go on with."""
    job_id = params.get(JOB_PARAM)
    return job_id if isinstance(job_id, str) and is_job_id(job_id) else None


def list_uploads(image_urls: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """Return the ids of the uploads among the images and the parameters of a request."""
    return [url for url in (*image_urls, *params.values()) if _is_upload(url)]


def _is_upload(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and is_upload_id(value)


def is_name(url: str) -> bool:
    """Return whether this is no URL: the name of an upload, or of an image of a job."""
    return is_upload_id(url) or parse_image(url) is not None


def stand_in(
    image_urls: Sequence[str], params: Mapping[str, Any]
) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """Return URLs and params that a provider can validate before the names have a meaning."""
    urls = (_STAND_IN if is_name(url) else url for url in image_urls)
    known = {name: _STAND_IN if _is_upload(value) else value for name, value in params.items()}
    return tuple(urls), _put_task(known, "task")


def check_needed(
    request: JobRequest, needed: Sequence[str], known: Known
) -> dict[Place, StoredImage]:
    """Return the images that the provider has to be handed, as far as that is certain by now.

    Raises InvalidRequestError for what a request can never get from the jobs and uploads.
    """
    if len(needed) > MAX_AFTER:
        raise InvalidRequestError([Problem("after", f"a job needs at most {MAX_AFTER} others")])
    problems = []
    for job_id in needed:
        place, job = _find_place(request, job_id), known.jobs.get(job_id)
        if job is None:
            problems.append(Problem(place, f"no job {job_id}: check the id"))
        elif job.state in (State.FAILED, State.CANCELLED):
            problems.append(Problem(place, f"{job_id} is {job.state}: name one that may succeed"))
        elif job_id == find_task_source(request.params) and not _has_task_for(request, job):
            words = f"{job_id} is a job of {_find_quota(job)}, whose tasks nobody else knows"
            problems.append(Problem(place, words))
    found: Mapping[Place, StoredImage] = {}
    try:
        found = _find_uploads(request, known)
        if not problems and all(known.jobs[each].state is State.SUCCEEDED for each in needed):
            found = resolve(request.image_urls, request.params, needed, known).stored
    except NeededJobError as error:
        problems.append(Problem("image_urls" if request.image_urls else "params", str(error)))
    if problems:
        raise InvalidRequestError(problems)
    return dict(found)


def _find_uploads(request: JobRequest, known: Known) -> dict[Place, StoredImage]:
    places = _iter_places(request.image_urls, request.params)
    return {place: _find_upload(each, known) for place, each in places if _is_upload(each)}


def _iter_places(
    images: Sequence[object], params: Mapping[str, object]
) -> Iterator[tuple[Place, object]]:
    yield from enumerate(images)
    yield from params.items()


def _has_task_for(request: JobRequest, job: Job) -> bool:
    """Whether the task of a job is known where a request is sent."""
    return job.provider == request.provider and _find_quota(job) == _find_quota(request)


def _find_quota(sent: JobRequest | Job) -> str:
    """Return the account, and its service, that a request or a job is for."""
    provider = find_provider(sent.provider, sent.params)
    return provider.quota if provider else sent.provider


def resolve(
    image_urls: Sequence[str],
    params: Mapping[str, Any],
    needed: Sequence[str],
    known: Known,
    *,
    prefer_stored: bool = False,
) -> Inputs:
    """Return the inputs of a request whose needed jobs have finished; raises NeededJobError.

    With `prefer_stored`, images of jobs are handed over though they still have a URL.
    """
    for job_id in needed:
        job = known.jobs.get(job_id)
        if job is None:
            raise NeededJobError(f"needs {job_id}, which is deleted")
        if job.state is not State.SUCCEEDED:
            why = f": {job.error.message}" if job.error and job.error.message else ""
            raise NeededJobError(f"needs {job_id}, which is {job.state}{why}")
    images = tuple(_resolve_image(url, known, prefer_stored) for url in image_urls)
    task_of = known.jobs.get(find_task_source(params) or "")
    params = {n: _find_upload(v, known) if _is_upload(v) else v for n, v in params.items()}
    return Inputs(images, _put_task(params, _find_task(task_of)) if task_of else params)


def _find_task(job: Job) -> str:
    """Return what names the task of a job in a request that goes on with it."""
    provider = find_provider(job.provider, job.params)
    if provider is None or not provider.follows_results:
        found, what = job.task_id, "task"
    else:
        found, what = job.result_id, "result"
    if not found:
        raise NeededJobError(f"needs the {what} of {job.id}, of which no id is on record")
    return found


def _resolve_image(url: str, known: Known, prefer_stored: bool) -> str | StoredImage:
    if is_upload_id(url):
        return _find_upload(url, known)
    named = parse_image(url)
    if not named:
        return url
    job_id, index = named
    image = next((each for each in known.jobs[job_id].all_images if each.index == index), None)
    if image is None:
        raise NeededJobError(f"needs {url}, and {job_id} has no such image")
    has_url = not image.source_url.startswith(INLINE) and image.expires_at > known.now
    if (name := image.name) and (prefer_stored or not has_url):
        kind = image.content_type or UNKNOWN_TYPE
        return StoredImage(name, kind, image.bytes or 0, image.width, image.height)
    if not has_url:
        words = "which has no URL at its provider any more, and is not stored"
        raise NeededJobError(f"needs {url}, {words}: submit its file instead")
    return image.refreshed_url or image.source_url


def _find_upload(upload_id: str, known: Known) -> StoredImage:
    upload = known.uploads.get(upload_id)
    if upload is None or upload.expires_at <= known.now:
        words = "which is no upload of yours, or has expired: upload it again"
        raise NeededJobError(f"needs {upload_id}, {words}")
    return upload.to_stored()


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
