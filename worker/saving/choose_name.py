"""Choose the name under which an image is stored: never that of another job's image."""

from __future__ import annotations

from ...jobs.image_name import build_default_name, build_image_name, is_in_own_folder, put_suffix
from ...jobs.job import Image, Job
from ..context import Context


def choose_name(ctx: Context, job: Job, image: Image, extension: str) -> str:
    """Return the name by the job's template, with the job's id if another image has it already.

    After a crash it is the same name again, for a day at least.
    """
    wanted = build_image_name(job, image, extension)
    if is_in_own_folder(job, wanted):
        return wanted
    for name in (wanted, put_suffix(wanted, job.id)):
        if _claim(ctx, name, f"{job.id}/{image.index}"):
            return name
    return build_default_name(job, image, extension)


def _claim(ctx: Context, name: str, owner: str) -> bool:
    if ctx.image_names.find_owner(name) == owner:
        return True
    # In this order: who finds the name free just before another image is stored cannot claim it.
    return ctx.storage.is_free(name) and ctx.image_names.claim(name, owner)
