"""Apply the commands of users to stored jobs, and dispatch what they start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ..config.queues import Queue
from ..config.settings import Settings
from ..errors import InvalidTransitionError
from ..jobs.job import Job, add_seconds
from ..store.due.background import Dispatches
from ..store.jobs import Store, Transition
from . import commands
from .commands import Action
from .submission import Submitter


class JobActions:
    """Cancels, retries and acknowledges jobs, one or several at a time."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        dispatcher: Dispatches,
        submitter: Submitter,
        now: Callable[[], datetime],
    ) -> None:
        self.store = store
        self.now = now
        self._retention_s = settings.finished_s
        self._dispatcher = dispatcher
        self._submitter = submitter

    def apply(
        self, action: Action, job_id: str, submitted_by: str | None, *, pay_again: bool = False
    ) -> Job:
        """Apply an action to a job and return what it became."""
        step = self.build_step(action, pay_again=pay_again)
        job = self.store.transition(self.store.get(job_id, submitted_by), step)
        self._dispatch([job])
        return job

    def apply_each(self, transitions: Sequence[tuple[Job, Transition]]) -> list[Job | Exception]:
        """Apply a step to each of several jobs; return what it became, or why it did not."""
        outcomes = self.store.transition_many(transitions)
        self._dispatch([outcome for outcome in outcomes if isinstance(outcome, Job)])
        return outcomes

    def build_step(
        self, action: Action, *, pay_again: bool, asked_before: datetime | None = None
    ) -> Transition:
        """Return the transition of an action, refused for jobs that were asked for later."""
        now = self.now()
        delete_at = add_seconds(now, self._retention_s)

        def step(job: Job) -> Job:
            if asked_before and job.asked_at >= asked_before:
                raise InvalidTransitionError(
                    f"{job.id} was submitted or retried after the first request with this key"
                )
            return commands.apply(action, job, now, delete_at, pay_again=pay_again)

        return step

    def _dispatch(self, jobs: Sequence[Job]) -> None:
        self._submitter.dispatch(jobs)
        if notified := [job.id for job in jobs if job.is_finished and job.webhook_url]:
            self._dispatcher.dispatch(Queue.NOTIFY, notified, self.now())
