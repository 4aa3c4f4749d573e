"""The Celery tasks: one for each queue, each a step of one job; and two that serve no job."""

from __future__ import annotations

import time
from typing import Any

from celery import Celery, Task
from celery.exceptions import Reject
from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..errors import BudgetExceededError, ConfigError, InvalidRequestError
from .base_task import JobTask
from .callback import read_callbacks
from .context import Context
from .create import create
from .delete_uploads import delete_uploads
from .download import download
from .notify import notify
from .poll import poll
from .submit import submit

log = get_logger(__name__)

REQUEUE_PAUSE_S = 1.0


def register(app: Celery) -> None:
    """Add the tasks to the app."""
    _register_create(app)

    @app.task(base=JobTask, bind=True, shared=False, name="imagequeue.submit")
    def submit_task(self: JobTask, job_id: str) -> None:
        # An image that cannot be saved must not be paid for.
        self.context.storage_check.require()
        submit(self.context, job_id)

    @app.task(base=JobTask, bind=True, shared=False, name="imagequeue.poll")
    def poll_task(self: JobTask, job_id: str) -> None:
        self.retry_in(poll(self.context, job_id), job_id)

    @app.task(base=JobTask, bind=True, shared=False, name="imagequeue.callback")
    def callback_task(self: JobTask, job_id: str) -> None:
        self.retry_in(read_callbacks(self.context, job_id), job_id)

    @app.task(base=JobTask, bind=True, shared=False, name="imagequeue.download")
    def download_task(self: JobTask, job_id: str) -> None:
        self.retry_in(download(self.context, job_id), job_id)

    @app.task(base=JobTask, bind=True, shared=False, name="imagequeue.notify")
    def notify_task(self: JobTask, job_id: str) -> None:
        self.retry_in(notify(self.context, job_id), job_id)

    @app.task(shared=False, name="imagequeue.delete_uploads")
    def delete_uploads_task() -> None:
        delete_uploads(app.context)  # type: ignore[attr-defined]


def _register_create(app: Celery) -> None:
    # Without events: they would show the prompt to everybody who can open Flower.
    @app.task(bind=True, shared=False, name="imagequeue.create", send_events=False)
    def create_task(self: Task[Any, Any], /, **request: Any) -> None:
        context: Context = self.app.context  # type: ignore[attr-defined]
        try:
            job_id = create(context, request, str(self.request.id))
        except (InvalidRequestError, BudgetExceededError, ConfigError) as error:
            log.error("job_refused", message_id=self.request.id, error=str(error))
            raise Reject(str(error), requeue=False) from None
        except RedisError as error:
            # No due set has this job yet, so the message must not be lost.
            time.sleep(REQUEUE_PAUSE_S)
            raise Reject(type(error).__name__, requeue=True) from None
        log.info("job_created", job_id=job_id, provider=request["provider"], stage="create")
