"""Any interleaving of moves, sweeps, doubled hints and crashes keeps the invariants."""

from collections import Counter, defaultdict
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from imagequeue.config.queues import Queue
from imagequeue.errors import ImageQueueError, InvalidTransitionError
from imagequeue.jobs.job import IN_FLIGHT, QUEUE_OF, TRANSITIONS, Entry, Job, State, new_job
from imagequeue.producer.client import LocalClient
from imagequeue.providers.wire import (
    Accepted,
    Failed,
    OutcomeUnknown,
    Pending,
    Refused,
    ResultImage,
    RetryLater,
    SubmitOutcome,
    Succeeded,
    TaskStatus,
    TryOtherVersion,
)
from imagequeue.store import keys
from imagequeue.worker import download, give_up, outcome, poll, submit
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from support.clock import Clock
from support.examples import examples
from support.submits import ready_key

IMAGES = (ResultImage(url="https://a.example/0.png", lifetime_s=60),)
NOT_TAKEN = (RetryLater, Refused, TryOtherVersion)
ANSWERS: list[SubmitOutcome] = [
    Accepted(task_id="t"),
    Accepted(task_id="t", images=IMAGES),
    RetryLater(code="429", message="", rate_limited=True),
    RetryLater(code="503", message=""),
    Refused(reason="policy", code="400", message=""),
    TryOtherVersion(api_version="edit", code="400", message=""),
    OutcomeUnknown(code="", message=""),
]
REPORTS: list[TaskStatus] = [
    Succeeded(images=IMAGES, task_id="t"),
    Succeeded(images=IMAGES, task_id="another"),
    Failed(reason="provider", code="500", message="", task_id="t"),
    Pending(task_id="t"),
]
MAX_JOBS = 2


def is_note(entry: Entry) -> bool:
    """A contradiction on record: a line of the history that is no move."""
    words = ("reported a failure", "contradicts the failure", "reported images", "charged")
    return entry.from_ is entry.to and any(each in entry.cause for each in words)


class Machine(RuleBasedStateMachine):
    """The store's real scripts, driven by the workers' real steps in any order."""

    jobs = Bundle("jobs")
    posts = Bundle("posts")

    def __init__(self, ctx: Context, clock: Clock) -> None:
        super().__init__()
        self.ctx, self.clock = ctx, clock
        self.client = LocalClient(ctx.settings, now=ctx.now)
        ctx.store.redis.flushdb()
        # For each job, the requests that went out and were not definitely refused.
        self.perhaps_paid: dict[str, set[int]] = defaultdict(set)

    def attempt(self, job_id: str, step: Any) -> Job | None:
        """A move that may be refused: somebody else was first."""
        try:
            return self.ctx.transition(self.ctx.store.get(job_id), step)
        except InvalidTransitionError:
            return None

    @precondition(lambda self: sum(self.ctx.store.count_by_state().values()) < MAX_JOBS)
    @rule(
        target=jobs,
        delivery=st.sampled_from(["callback", "poll"]),
        caller=st.sampled_from(["", "shop"]),
    )
    def add(self, delivery: str, caller: str) -> str:
        job = new_job(
            self.clock(),
            provider="acedata-flux",
            action="generate",
            delivery=delivery,
            submitted_by=caller,
        )
        self.ctx.store.add([job])
        return job.id

    @rule(target=posts, job_id=jobs)
    def begin_to_submit(self, job_id: str) -> tuple[str, int]:
        """A hint, doubled or not: whoever's intent is recorded sends the request."""
        job = self.attempt(job_id, partial(submit._as_submitting, self.ctx, "main", ""))
        if job is None or job.state is not State.SUBMITTING:
            return job_id, 0
        assert not self.perhaps_paid[job_id], "a request that may have been paid is sent again"
        self.perhaps_paid[job_id].add(job.submissions)
        return job_id, job.submissions

    @rule(post=posts, submission=st.sampled_from(ANSWERS))
    def answer(self, post: tuple[str, int], submission: SubmitOutcome) -> None:
        """An answer, in time or long after everybody gave the worker up."""
        job_id, nth = post
        if nth not in self.perhaps_paid[job_id]:
            return
        if isinstance(submission, NOT_TAKEN):
            self.perhaps_paid[job_id].discard(nth)
        self.attempt(job_id, partial(outcome._apply_outcome, self.ctx, nth, submission, None))

    @rule(job_id=jobs)
    def its_wake_up_comes(self, job_id: str) -> None:
        """Or a lease, a backoff and what follows them would seldom meet in forty steps."""
        self.clock.time = max(self.clock.time, self.ctx.store.get(job_id).wake_at)

    @rule(job_id=jobs)
    def find_abandoned(self, job_id: str) -> None:
        self.attempt(job_id, partial(submit._as_abandoned, self.ctx))

    @rule(job_id=jobs, report=st.sampled_from(REPORTS), cause=st.sampled_from(["poll", "callback"]))
    def report(self, job_id: str, report: TaskStatus, cause: str) -> None:
        try:
            job = apply_status(self.ctx, self.ctx.store.get(job_id), report, cause)
        except InvalidTransitionError:
            return
        if job.charged == "no":  # AceData does not charge for a failed task
            self.perhaps_paid[job_id].clear()

    @rule(job_id=jobs, step=st.sampled_from([poll._fail_unconfirmed, download._finish]))
    def end_a_wait(self, job_id: str, step: Any) -> None:
        self.attempt(job_id, partial(step, self.ctx))

    @rule(job_id=jobs)
    def become_overdue(self, job_id: str) -> None:
        self.attempt(job_id, partial(poll._mark_overdue, self.ctx, 60))

    @rule(job_id=jobs)
    def give_up(self, job_id: str) -> None:
        self.attempt(job_id, partial(poll._time_out, self.ctx, Pending()))

    @rule(job_id=jobs)
    def save(self, job_id: str) -> None:
        for image in self.ctx.store.get(job_id).all_images:
            stored = image.model_copy(update={"state": "stored"})
            self.attempt(
                job_id, partial(download._apply_progress, self.ctx, {stored.index: stored})
            )

    @rule(job_id=jobs, stage=st.sampled_from([Queue.SUBMIT, Queue.POLL, Queue.DOWNLOAD]))
    def give_up_on(self, job_id: str, stage: Queue) -> None:
        try:
            give_up.give_up_on(self.ctx, job_id, stage, 11)
        except InvalidTransitionError:
            return

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        try:
            self.client.cancel(job_id)
        except ImageQueueError:
            return

    @rule(job_id=jobs, pay_again=st.booleans())
    def retry(self, job_id: str, pay_again: bool) -> None:
        """A person may pay again, and says so: from then on the old request is theirs."""
        try:
            job = self.client.retry(job_id, pay_again=pay_again)
        except ImageQueueError:
            return
        if job.state is State.QUEUED:
            assert pay_again or not self.perhaps_paid[job_id]
            self.perhaps_paid[job_id].clear()

    @rule(queue=st.sampled_from(Queue), seconds=st.floats(0, 4000))
    def time_passes_and_a_worker_sweeps(self, queue: Queue, seconds: float) -> None:
        self.clock.advance(seconds)
        self.ctx.dispatcher.sweep(queue, self.clock())

    @rule(job_id=jobs, queue=st.sampled_from(Queue), seconds=st.floats(0, 100))
    def wake_at(self, job_id: str, queue: Queue, seconds: float) -> None:
        self.ctx.wakeups.set_wake_up(queue, job_id, self.clock() + timedelta(seconds=seconds))

    @invariant()
    def every_job_has_one_wake_up_one_place_and_a_legal_past(self) -> None:
        redis = self.ctx.store.redis
        counts = self.ctx.store.count_by_state()
        jobs = self.ctx.store.list(limit=500).jobs
        assert sum(counts.values()) == len(jobs)
        for state in State:
            assert counts[state] == sum(job.state is state for job in jobs)
        # A record keeps whole milliseconds.
        scores = redis.zrange(keys.DEADLINES, 0, -1, withscores=True)
        assert {job_id.decode(): round(score * 1000) for job_id, score in scores} == {
            job.id: round(job.deadline.timestamp() * 1000) for job in jobs if job.deadline
        }
        assert len(scores) == counts[State.DOWNLOADING]
        for job in jobs:
            wakes = [q for q in (*Queue, None) if redis.zscore(keys.due(q), job.id) is not None]
            is_ready = redis.zscore(ready_key(job), job.id) is not None
            assert is_ready <= (job.state is State.QUEUED)
            assert wakes == ([] if is_ready else [QUEUE_OF[job.state]])
            assert redis.hexists(keys.PLACES, job.id) == (job.state is State.QUEUED)
            if job.state not in (State.QUEUED, *IN_FLIGHT):
                assert not redis.hexists(keys.PERMITS, job.id)
            moves = [entry for entry in job.history if not is_note(entry)]
            assert all(entry.to in TRANSITIONS[entry.from_] for entry in moves)
            assert (job.history[-1].to if job.history else State.QUEUED) is job.state

    @invariant()
    def permits_and_jobs_in_flight_agree(self) -> None:
        redis: Any = self.ctx.store.redis
        permits = set(redis.hkeys(keys.PERMITS))
        at_key: set[bytes] = redis.smembers(keys.in_flight_at("acedata.flux", "main"))
        assert at_key == permits
        by_caller = [redis.smembers(keys.in_flight_by(caller)) for caller in ("", "shop")]
        assert sum(map(len, by_caller)) == len(set.union(*by_caller)) == len(permits)

    @invariant()
    def each_caller_s_open_jobs_are_counted(self) -> None:
        jobs = self.ctx.store.list(limit=500).jobs
        counts: Any = self.ctx.store.redis.hgetall(keys.OPEN_JOBS)
        # A count of 0 stays where there was one.
        counted = {name.decode(): int(count) for name, count in counts.items() if int(count)}
        assert counted == Counter(job.submitted_by for job in jobs if not job.is_finished)


def test_the_store_keeps_its_promises_in_any_order(ctx: Context, clock: Clock) -> None:
    run_state_machine_as_test(
        lambda: Machine(ctx, clock),
        settings=examples(6, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
