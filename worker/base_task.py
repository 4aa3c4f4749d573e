"""The base of every task on a job: countdowns kept in Redis, and an end for whatever goes wrong."""

from __future__ import annotations

import functools
import time
from contextlib import suppress
from typing import Any

from celery import Task
from celery.exceptions import Retry
from celery.worker import state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ..config.logging import get_logger, log_context
from ..config.queues import Queue
from ..config.redis import ScriptCall, checked, run_together
from ..errors import ConfigError, InvalidTransitionError, RedisUnavailableError, UnknownJobError
from ..jobs.job import add_seconds
from ..store.starts import Ending, Turn
from .context import Context
from .give_up import give_up_on

log = get_logger(__name__)

PUT_OFF_S = 15.0
# A message's worker takes what comes next for so long and so often; then it is the turn of whatever
# else stands in the queues.
TURNS_S = 5.0
MAX_TURNS = 100


class JobTask(Task[Any, int]):
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

    @functools.cached_property
    def stage(self) -> Queue:
        """The queue whose step this is."""
        return Queue(self.name.rpartition(".")[2])

    def __call__(self, job_id: str) -> int:
        """Run the step of the job that a message names, then of those that come next.

        Returns how many jobs had their turn: where there is a backlog, many for one message.
        """
        over = time.monotonic() + TURNS_S
        ending = self._ending(job_id, over)
        retry = self._run(job_id, ending)
        turns = 1
        while following := self._following(job_id, ending):
            job_id, turns = following.job_id, turns + 1
            ending = self._ending(job_id, over if turns < MAX_TURNS else 0)
            self._run(job_id, ending, following)
        if retry:
            raise retry
        return turns

    def _ending(self, job_id: str, over: float) -> Ending:
        """The end of a job's turn; it asks for the next until `over` on the monotonic clock."""

        def ask() -> ScriptCall | None:
            if time.monotonic() > over or is_stopping():
                return None
            ctx = self.context
            return ctx.due.asking_for_next(self.stage, ctx.now(), job_id)

        return Ending(ask)

    def _following(self, job_id: str, ending: Ending) -> Turn | None:
        """The turn that is next, if this message is not used up; asks unless the last move did."""
        ctx = self.context
        try:
            if call := ending.call():
                (answer,) = run_together([call])
                ending.answer = checked(answer)
            elif ending.answer is None:
                ctx.turns.end(job_id, self.stage)
            return ctx.due.next(self.stage, ctx.now(), ending.answer)
        except RedisError as error:
            # Whatever is due is hinted by a sweep.
            log.warning("no next job taken", stage=self.stage, error=type(error).__name__)
            return None

    def _run(self, job_id: str, ending: Ending, turn: Turn | None = None) -> Retry | None:
        """Run one step with the job's id and stage on every log line; returns its retry, if any.

        An unexpected error goes on to Celery; unless the step's last move was made before it, the
        begin of the turn keeps counting.
        """
        ctx, stage = self.context, self.stage
        ctx.turns.ending = ending
        with log_context(job_id=job_id, stage=stage, provider=""):
            try:
                turn = turn or ctx.turns.begin(job_id, stage)
                if turn.starts > ctx.settings.max_crashes:
                    give_up_on(ctx, job_id, stage, turn.starts - 1)
                else:
                    self.run(turn)
            except (InvalidTransitionError, UnknownJobError) as error:
                # A hint that came late or twice: somebody else was first, and this one stops.
                log.debug("nothing to do", why=str(error))
            except Retry as retry:
                return retry
            except (ConfigError, RedisUnavailableError, RedisError, OperationalError) as error:
                self._retry_later(job_id, error)
            except Exception:
                # The message may name another job: only here is it known whose step this was.
                log.error("step broke")
                self._give_back(ending)
                raise
        return None

    def _give_back(self, ending: Ending) -> None:
        """Let the job whose turn was taken with the last move come up again at once."""
        ctx = self.context
        with suppress(RedisError):  # its lease ends in any case
            if following := ctx.due.next(self.stage, ctx.now(), ending.answer):
                ctx.due.give_back(self.stage, following, ctx.now())

    def _retry_later(self, job_id: str, error: Exception) -> None:
        """Try again later: what this worker stands on is at fault, not the job."""
        log.error("step put off", error=type(error).__name__, why=str(error))
        ctx = self.context
        ctx.store.wake_at(self.stage, job_id, add_seconds(ctx.now(), PUT_OFF_S))

    def retry_in(self, countdown: float | None, turn: Turn) -> None:
        """Retry the job in so many seconds, if its step asks for it."""
        if countdown is not None:
            raise self.retry(args=(turn.job_id,), countdown=countdown)

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Set the job's wake-up where there is a countdown; else send a message as Celery does."""
        countdown = options.get("countdown")
        if countdown is None:
            return super().apply_async(args, kwargs, *rest, **options)
        (job_id,) = args
        self.context.store.wake_at(self.stage, job_id, add_seconds(self.context.now(), countdown))
        return self.AsyncResult(options["task_id"])


def is_stopping() -> bool:
    """Whether this worker was asked to end: it takes nothing new."""
    # They hold the exit status to be, of which 0 is one, or nothing.
    stop: Any = state.should_stop
    terminate: Any = state.should_terminate
    return not ((stop is None or stop is False) and (terminate is None or terminate is False))
