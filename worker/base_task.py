"""The base class of every job task: countdowns stored in Redis, and an end for every failure."""

from __future__ import annotations

import functools
import time
from typing import Any

from celery import Task
from celery.exceptions import Retry
from celery.worker import state
from kombu.exceptions import OperationalError
from opentelemetry.trace import SpanKind
from redis.exceptions import RedisError

from ..config.logging import get_logger, log_context
from ..config.queues import Queue
from ..config.tracing import span
from ..errors import (
    ArchiveUnavailableError,
    ConfigError,
    InvalidRequestError,
    InvalidTransitionError,
    NewerRecordError,
    RedisUnavailableError,
    UnknownJobError,
    UnreadableJobError,
)
from ..jobs.job import add_seconds
from ..storage import StorageError
from ..store.due.wakeups import StartedStep
from .context import Context
from .give_up import give_up_on

log = get_logger(__name__)

# The worker's configuration, Redis, the broker or the storage is at fault, not the job.
# InvalidRequestError: this worker lacks the provider's plug-in, and another one may have it.
OWN_FAILURES = (
    ArchiveUnavailableError,
    ConfigError,
    InvalidRequestError,
    StorageError,
    RedisUnavailableError,
    RedisError,
    OperationalError,
)
RETRY_LATER_S = 15.0
# A damaged record is tried again for the case that it was restored.
DAMAGED_RETRY_S = 3600.0
# One message serves a backlog for this long and this many jobs; then others get the worker.
MAX_MESSAGE_S = 5.0
MAX_STEPS = 100


class JobTask(Task[Any, int]):
    """A task on one job, whose countdowns are stored in the due set instead of in a message.

    `raise self.retry(countdown=60)` works as in any Celery task and shows as RETRY in Flower, but
    a waiting job occupies no worker and survives the loss of all of them.
    """

    # The job's record limits the attempts, not the message.
    max_retries = None

    @property
    def context(self) -> Context:
        """Everything the step needs."""
        app: Any = self.app
        context: Context = app.context
        return context

    @functools.cached_property
    def stage(self) -> Queue:
        """The queue that this task serves."""
        return Queue(self.name.rpartition(".")[2])

    def __call__(self, job_id: str) -> int:
        """Run the step of the job that a message names, then of other due jobs of this queue.

        Returns how many steps ran. An unexpected error ends the message and goes on to Celery.
        """
        ends_at = time.monotonic() + MAX_MESSAGE_S
        retry, steps = self._run_step(job_id), 1
        while following := self._finish_and_take_next(
            job_id, is_used_up=steps >= MAX_STEPS or time.monotonic() > ends_at
        ):
            job_id, steps = following.job_id, steps + 1
            self._run_step(job_id, following.starts)
        if retry:
            raise retry
        return steps

    def _finish_and_take_next(self, finished: str, *, is_used_up: bool) -> StartedStep | None:
        """Record that a step has finished; take the next due job unless the message is used up."""
        ctx = self.context
        try:
            if is_used_up or is_stopping():
                ctx.starts.finish(finished, self.stage)
                return None
            return ctx.dispatcher.take_next(self.stage, ctx.now(), finished)
        except RedisError as error:
            # A sweep dispatches whatever is due.
            log.warning("take_next_failed", stage=self.stage, error=type(error).__name__)
            return None

    def _run_step(self, job_id: str, starts: int | None = None) -> Retry | None:
        """Run the step of one job and return its retry, if it asked for one.

        `starts` is None where the start is not counted yet. After an unexpected error, which is
        raised, it stays counted: a job with too many unfinished starts is given up.
        """
        ctx, stage = self.context, self.stage
        with (
            log_context(job_id=job_id, stage=stage, provider=""),
            span(stage, job_id, SpanKind.CONSUMER),
        ):
            try:
                starts = starts or ctx.starts.start(job_id, stage)
                if starts > ctx.settings.max_crashes:
                    give_up_on(ctx, job_id, stage, starts - 1)
                else:
                    self.run(job_id)
            except UnknownJobError as error:
                # A late message, or its record was deleted by hand.
                if ctx.store.deletion.delete_remains(job_id):
                    log.warning("remains_deleted")
                log.debug("step_skipped", why=str(error))
            except InvalidTransitionError as error:
                # A late or repeated message: another worker has done the step.
                log.debug("step_skipped", why=str(error))
            except Retry as retry:
                return retry
            except UnreadableJobError as error:
                # A worker of the newer version may take the job; nobody can use a damaged record.
                if stage is Queue.SUBMIT:
                    ctx.submits.return_permit(job_id)
                is_newer = isinstance(error, NewerRecordError)
                self._retry_later(job_id, error, RETRY_LATER_S if is_newer else DAMAGED_RETRY_S)
            except OWN_FAILURES as error:
                self._retry_later(job_id, error)
            except Exception:
                # Celery's own log names the message, which may be that of another job.
                log.error("step_failed")
                raise
        return None

    def _retry_later(
        self, job_id: str, error: Exception, retry_in_s: float = RETRY_LATER_S
    ) -> None:
        """Retry in a moment: this worker, what it depends on, or the record is at fault."""
        log.error("step_postponed", error=type(error).__name__, why=str(error))
        ctx = self.context
        ctx.wakeups.set_wake_up(self.stage, job_id, add_seconds(ctx.now(), retry_in_s))

    def retry_in(self, countdown: float | None, job_id: str) -> None:
        """Retry the job after `countdown` seconds; do nothing if it is None."""
        if countdown is not None:
            raise self.retry(args=(job_id,), countdown=countdown)

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Set the job's wake-up if there is a countdown; else send a message as Celery does."""
        countdown = options.get("countdown")
        if countdown is None:
            return super().apply_async(args, kwargs, *rest, **options)
        (job_id,) = args
        self.context.wakeups.set_wake_up(
            self.stage, job_id, add_seconds(self.context.now(), countdown)
        )
        return self.AsyncResult(options["task_id"])


def is_stopping() -> bool:
    """Whether Celery has asked this worker to stop."""
    # Both hold None or False, or else an exit status, which may be 0.
    stop: Any = state.should_stop
    terminate: Any = state.should_terminate
    return not ((stop is None or stop is False) and (terminate is None or terminate is False))
