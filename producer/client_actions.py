"""The methods of the Python client that change stored jobs, one or many, and store images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..config.redis import reachable
from ..jobs.filter import JobFilter
from ..jobs.job import Job
from ..jobs.upload import Upload
from .actions import JobActions
from .bulk import BulkOptions, BulkStep, run_bulk
from .bulk_report import BulkReport
from .commands import Action
from .input_images import InputImages


class ClientActions:
    """Cancels, retries and acknowledges jobs, and stores the images that others start from."""

    _actions: JobActions
    _name: str
    input_images: InputImages

    def upload(self, path: str | Path) -> Upload:
        """Store a local image of up to 30 MB; `image` and `image_urls` take its id.

        Raises UploadError, or InvalidRequestError if it is no PNG, JPEG, WebP or GIF.
        """
        return self.input_images.add_file(Path(path), self._name)

    @reachable()
    def cancel(self, job_id: str, *, submitted_by: str | None = None) -> Job:
        """Cancel a job: free while it is queued; later the charge stands.

        A result that still arrives is recorded. Raises InvalidTransitionError for a job that is
        submitting, downloading or finished.
        """
        return self._actions.apply(Action.CANCEL, job_id, submitted_by)

    @reachable()
    def retry(
        self, job_id: str, *, pay_again: bool = False, submitted_by: str | None = None
    ) -> Job:
        """Download an unsaved job again for free, or send and pay for a failed one again.

        Raises InvalidTransitionError if there is nothing to retry, or `pay_again` is needed.
        """
        return self._actions.apply(Action.RETRY, job_id, submitted_by, pay_again=pay_again)

    @reachable()
    def acknowledge(self, job_id: str, *, submitted_by: str | None = None) -> Job:
        """End an unsaved job that nobody will save, which ends its alert.

        A retry still downloads its images. Raises InvalidTransitionError if it is not unsaved.
        """
        return self._actions.apply(Action.ACKNOWLEDGE, job_id, submitted_by)

    def bulk(
        self,
        action: Action | str,
        jobs: JobFilter | Iterable[str],
        *,
        dry_run: bool = False,
        pay_again: bool = False,
        idempotency_key: str | None = None,
        on_progress: Callable[[BulkReport], object] = lambda _: None,
    ) -> BulkReport:
        """Cancel, retry or acknowledge the jobs of a filter, or up to 10,000 ids.

        A job that cannot be changed does not stop the others. `on_progress` is called after each
        200 jobs. Repeat the call if it is interrupted; with its idempotency key, a repeated retry
        leaves out jobs that were retried since. Raises UnknownBatchError or InvalidRequestError.
        """
        options = BulkOptions(
            dry_run=dry_run,
            pay_again=pay_again,
            idempotency_key=idempotency_key,
            key_owner=self._name,
        )
        for step in self.iter_bulk(Action(action), jobs, options):
            on_progress(step.report)
        return step.report

    @reachable()
    def iter_bulk(
        self, action: Action, jobs: JobFilter | Iterable[str], options: BulkOptions
    ) -> Iterator[BulkStep]:
        """Return the steps of a bulk action; each is done when it is asked for."""
        return run_bulk(self._actions, action, jobs, options)
