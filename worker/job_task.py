"""The base of every task on a job: countdowns kept in Redis, and an end for whatever goes wrong."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task
from celery.exceptions import Retry
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ..config.logs import get_logger
from ..config.queues import Queue
from ..errors import ConfigError, MoveRefusedError, RedisUnavailableError, UnknownJobError
from ..jobs.job import after
from .context import Context
from .poison import bury

log = get_logger(__name__)

PUT_OFF_S = 15.0


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
            except (ConfigError, RedisUnavailableError, RedisError, OperationalError) as error:
                self._put_off(job_id, error)
            # Not reached by an unexpected error: that start keeps counting.
            ctx.starts.end(job_id, stage)

    def _put_off(self, job_id: str, error: Exception) -> None:
        """Try again later: what this worker stands on is at fault, not the job."""
        log.error("step put off", error=type(error).__name__, why=str(error))
        ctx = self.context
        ctx.store.snooze(self.stage, job_id, after(ctx.now(), PUT_OFF_S))

    def again_in(self, countdown: float | None) -> None:
        """Retry in so many seconds, if the step asks for it."""
        if countdown is not None:
            raise self.retry(countdown=countdown)

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Set the job's wake-up where there is a countdown; else send a message as Celery does."""
        countdown = options.get("countdown")
        if countdown is None:
            return super().apply_async(args, kwargs, *rest, **options)
        (job_id,) = args
        self.context.store.snooze(self.stage, job_id, after(self.context.now(), countdown))
        return self.AsyncResult(options["task_id"])
