"""The Celery tasks: one for each queue, each a step of the work under the job's own id."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Reject, Retry

from ..config.logs import get_logger
from ..config.queues import Queue
from ..errors import ConfigError, InvalidRequestError, MoveRefusedError, UnknownJobError
from ..jobs.job import after
from .callback import read_callbacks
from .context import Context
from .create import create
from .download import download
from .poison import bury
from .poll import poll
from .submit import submit

log = get_logger(__name__)


class JobTask(Task[[str], None]):
    """A task on one job, whose countdowns are kept in the due set instead of in a message.

    `raise self.retry(countdown=60)` reads and shows in Flower as ever, but a waiting job costs
    no worker anything, and survives all of them.
    """

    # How often a job is asked for is bounded by its record, not by the message.
    max_retries = None

    @property
    def context(self) -> Context:
        """Everything the step needs."""
        app: Any = self.app
        context: Context = app.context
        return context

    @property
    def stage(self) -> Queue:
        """The queue whose step this is."""
        return Queue(self.name.rpartition(".")[2])

    def __call__(self, job_id: str) -> None:
        """Run the step with the job's id and stage on every log line."""
        ctx, stage = self.context, self.stage
        with structlog.contextvars.bound_contextvars(job_id=job_id, stage=stage, provider=""):
            try:
                starts = ctx.starts.begin(job_id, stage)
                if starts > ctx.settings.poison_after:
                    bury(ctx, job_id, stage, starts - 1)
                else:
                    self.run(job_id)
            except (MoveRefusedError, UnknownJobError) as error:
                # A hint that came late or twice: somebody else was first, and this one stops.
                log.debug("nothing to do", why=str(error))
            except Retry:
                ctx.starts.end(job_id, stage)
                raise
            # Not reached by an unexpected error: that start keeps counting.
            ctx.starts.end(job_id, stage)

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Set the job's wake-up where there is a countdown; else send a message as Celery does."""
        countdown = options.get("countdown")
        if countdown is None:
            return super().apply_async(args, kwargs, *rest, **options)
        (job_id,) = args
        self.context.store.snooze(self.stage, job_id, after(self.context.now(), countdown))
        return self.AsyncResult(options["task_id"])


def register(app: Celery) -> None:
    """Add the tasks to the app."""

    @app.task(bind=True, name="imagequeue.create")
    def create_task(self: Task[Any, Any], /, **request: Any) -> None:
        context: Context = self.app.context  # type: ignore[attr-defined]
        try:
            job_id = create(context, request, str(self.request.id))
        except (InvalidRequestError, ConfigError) as error:
            log.error("job refused", message_id=self.request.id, error=str(error))
            raise Reject(str(error), requeue=False) from None
        log.info("job created", job_id=job_id, provider=request["provider"], stage="create")

    @app.task(base=JobTask, bind=True, name="imagequeue.submit")
    def submit_task(self: JobTask, job_id: str) -> None:
        submit(self.context, job_id)

    @app.task(base=JobTask, bind=True, name="imagequeue.poll")
    def poll_task(self: JobTask, job_id: str) -> None:
        countdown = poll(self.context, job_id)
        if countdown is not None:
            raise self.retry(countdown=countdown)

    @app.task(base=JobTask, bind=True, name="imagequeue.callback")
    def callback_task(self: JobTask, job_id: str) -> None:
        read_callbacks(self.context, job_id)

    @app.task(base=JobTask, bind=True, name="imagequeue.download")
    def download_task(self: JobTask, job_id: str) -> None:
        countdown = download(self.context, job_id)
        if countdown is not None:
            raise self.retry(countdown=countdown)
