"""The names under which the images of a job are saved, by its template or in its own folder."""

from __future__ import annotations

from ..errors import InvalidRequestError, Problem
from ..image_names import METADATA, fill_template
from ..providers.wire import MAX_IMAGES
from .ids import is_job_id
from .image import Image
from .job import Job

# The longest of what a job does not know before it has its images.
_LONGEST = {"index": str(MAX_IMAGES - 1), "ext": "webp", "kind": "result"}


def check_image_name(job: Job, setting: str = "") -> None:
    """Raise InvalidRequestError unless every image of a job can have a name by its template.

    `setting` names the setting that the template is from; empty for a request's own.
    """
    if job.image_name is None:
        return
    source = f"{setting} " if setting else ""
    choices = [(job.provider, job.params), *((each.provider, each.params) for each in job.fallback)]
    for provider, params in choices:
        candidate = job.model_copy(update={"provider": provider, "params": params})
        try:
            _fill(candidate, **_LONGEST)
        except ValueError as error:
            raise InvalidRequestError([Problem("image_name", f"{source}{error}")]) from None


def build_image_name(job: Job, image: Image, extension: str) -> str:
    """Return the name for an image by the job's template, or in the job's own folder.

    Without `{index}` in the template, all images but the first get their number.
    """
    if job.image_name is not None:
        try:
            return _fill(job, index=str(image.index), ext=extension, kind=image.kind)
        except ValueError:
            pass  # the plug-in of its provider has changed: no image may be lost by its name
    return build_default_name(job, image, extension)


def build_default_name(job: Job, image: Image, extension: str) -> str:
    """Return the name of an image in the folder of its job, where no other job saves anything."""
    return f"{job.id}/{image.index}.{extension}"


def is_in_own_folder(job: Job, name: str) -> bool:
    """Return whether a name is in the folder of its job."""
    return name.startswith(f"{job.id}/")


def put_suffix(name: str, suffix: str) -> str:
    """Return a name with a suffix before its extension."""
    stem, _, extension = name.rpartition(".")
    return f"{stem}-{suffix}.{extension}"


def _fill(job: Job, *, index: str, ext: str, kind: str) -> str:
    known = {
        "job": job.id,
        "index": index,
        "ext": ext,
        "kind": kind,
        "provider": job.provider,
        "model": str(job.params.get("model") or "default"),
        "batch": job.batch or "no-batch",
        "date": f"{job.created_at:%Y-%m-%d}",
    }

    def get(field: str) -> str:
        return known[field] if field in known else _get_metadata(job, field)

    template = job.image_name or ""
    name = fill_template(template, get)
    folder, slash, _ = name.partition("/")
    # Some file systems do not tell upper from lower case.
    if slash and folder != job.id and is_job_id(f"{folder[:4].lower()}{folder[4:].upper()}"):
        raise ValueError("leads into the folder of another job")
    return name if "{index}" in template or index == "0" else put_suffix(name, str(int(index) + 1))


def _get_metadata(job: Job, field: str) -> str:
    name = field.removeprefix(METADATA)
    value = job.metadata.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if value is None:
        raise ValueError(f"needs {name} in metadata, which is missing")
    raise ValueError(f"needs text or a number in metadata.{name}")
