"""The check of the archive of finished jobs."""

from __future__ import annotations

from ...archive import prepare_archive
from ...config.settings import DAY_S, Settings
from ...errors import ImageQueueError
from ...store.deployment.agreement import ADOPT, Deployment
from .redis_checks import connect


def check_archive(settings: Settings) -> str:
    """Check that the archive answers, and is that of the processes that run; changes nothing."""
    archive = prepare_archive(settings, create=False)()
    with connect(settings) as client:
        if Deployment(client).uses_other_archive(archive):
            raise ImageQueueError(
                f"{archive.url if archive else 'none'} is not the archive of the processes that "
                f"run, so their finished jobs are not found; {ADOPT}"
            )
    if archive:
        archive.close()
        return f"finished jobs go to {archive.url}"
    if settings.archive:
        return "the first worker or API that starts makes it"
    return f"none: finished jobs are deleted after {settings.finished_s / DAY_S:g} days"
