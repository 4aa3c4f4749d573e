"""Poll: ask the provider how a waiting job's task is doing, and apply its end to the job.

If it has not, the job waits for its next poll: at the configured countdowns, and then, as overdue,
on a slow tail until it times out. An unconfirmed job ends here at its deadline. Where a provider
answers for several tasks in one request, the first poll asks for all that are due; their own polls
then find nothing left to do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import islice

from redis.exceptions import RedisError

from ..config.logging import get_logger, log_context
from ..config.queues import Queue
from ..errors import InvalidTransitionError, UnknownJobError
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from ..jobs.schedule import next_poll
from ..providers import find as find_provider
from ..providers.base import BatchProvider, Provider
from ..providers.wire import Failed, StatusUnavailable, Succeeded, TaskStatus, Unreadable
from .apply_status import apply_status, as_failed, as_reported, get_countdowns
from .context import Context
from .saving.unreadable import is_unreadable, store_last_body, store_poll_body
from .task_status import look_up, look_up_batch

log = get_logger(__name__)

# A failed look-up says nothing about the task, so it is repeated before the next countdown.
LOOKUP_RETRY_S = 30.0
# An unread callback will most likely end the wait. If it cannot be read it is quarantined soon,
# and then the poll goes on.
CALLBACK_FIRST_S = 5.0

POLLED = (State.WAITING, State.OVERDUE)
ENDED = (Succeeded, Failed)


def poll(ctx: Context, job_id: str) -> float | None:
    """Poll the task of a job; returns the seconds until its next poll, or None if there is none."""
    job = ctx.load(job_id)
    if job.state is State.UNCONFIRMED:
        ctx.transition(job, partial(_fail_unconfirmed, ctx))
        return None
    if job.state not in POLLED:
        raise InvalidTransitionError(f"{job.id} is {job.state}: there is nothing to poll")
    if job.delivery == "callback" and ctx.inbox.list_unread(job.id):
        return CALLBACK_FIRST_S
    provider = find_provider(job.provider, job.params)
    if isinstance(provider, BatchProvider):
        _claim(ctx, job)
    if provider and (wait_s := _reserve_lookup(ctx, provider, job)):
        return wait_s
    if isinstance(provider, BatchProvider) and (peers := _claim_peers(ctx, provider, job)):
        return _apply_poll_result(ctx, job, _poll_together(ctx, provider, job, peers))
    return _apply_poll_result(ctx, job, look_up(ctx, job))


def _reserve_lookup(ctx: Context, provider: Provider, job: Job) -> float:
    """Return the seconds to wait for the provider's limit of status requests; 0.0: none."""
    per_second = ctx.settings.limits(provider).lookups_per_s
    together = provider.max_batch_size if isinstance(provider, BatchProvider) else 1
    return ctx.lookups.reserve(
        job.id,
        provider.quota,
        job.account_key,
        per_second,
        ctx.now(),
        jobs_per_request=together,
    )


def _fail_unconfirmed(ctx: Context, job: Job) -> Job:
    if job.state is not State.UNCONFIRMED or ctx.now() < job.wake_at:
        raise InvalidTransitionError(f"{job.id} is {job.state}: its callback may still come")
    error = job.error or JobError(reason=Reason.UNCONFIRMED)
    return as_failed(ctx, job, "never confirmed", error)


def _apply_poll_result(ctx: Context, job: Job, status: TaskStatus) -> float | None:
    """Apply the end of the task, or return the seconds until its next poll."""
    log.info("job_polled", status=type(status).__name__)
    if isinstance(status, ENDED):
        apply_status(ctx, job, status, cause="poll")
        return None
    return _schedule_next_poll(ctx, job, status)


def _schedule_next_poll(ctx: Context, job: Job, status: TaskStatus) -> float | None:
    """Return the seconds until the next poll; past the last countdown, mark the job overdue.

    Returns None if the job timed out.
    """
    settings = ctx.settings
    if isinstance(status, Unreadable):
        job = store_poll_body(ctx, job, status)
    elapsed_s = (ctx.now() - job.accepted_at).total_seconds()
    if elapsed_s >= settings.give_up_after_s:
        if isinstance(status, StatusUnavailable):
            store_last_body(ctx, job, status)
        ctx.transition(job, partial(_time_out, ctx, status))
        return None
    following = next_poll(elapsed_s, get_countdowns(settings, job), settings.poll_tail_s)
    is_hopeless = isinstance(status, Unreadable) or getattr(status, "may_be_final", False)
    if following.overdue and is_hopeless:
        ctx.transition(job, partial(_time_out, ctx, status))
        return None
    in_s = min(following.in_s, settings.give_up_after_s - elapsed_s)
    if isinstance(status, StatusUnavailable):
        log.warning("status_unavailable", code=status.code, error=status.message)
        # No sooner even if the provider allows it: the messages of a whole batch may still be
        # queued, and would be dispatched twice after their lease.
        soon_s = max(LOOKUP_RETRY_S, status.retry_after_s or 0)
        # With jitter, so that a provider that had a bad minute does not get all polls at once.
        in_s = min(in_s, soon_s * random.uniform(1, 2))  # noqa: S311
    if following.overdue and job.state is State.WAITING:
        ctx.transition(job, partial(_mark_overdue, ctx, in_s))
    return in_s


def _time_out(ctx: Context, status: TaskStatus, job: Job) -> Job:
    if job.state not in POLLED:
        raise InvalidTransitionError(f"{job.id} is {job.state}: it was ended meanwhile")
    if job.error and is_unreadable(job):
        return as_failed(ctx, job, "unreadable", job.error)
    message = getattr(status, "message", "") or "the provider still calls it unfinished"
    error = JobError(reason=Reason.TIMED_OUT, message=message)
    return as_failed(ctx, job, "gave up", error)


def _mark_overdue(ctx: Context, in_s: float, job: Job) -> Job:
    now = ctx.now()
    return job.transition_to(State.OVERDUE, "countdowns used up", now, add_seconds(now, in_s))


# Several tasks in one request


def _claim(ctx: Context, job: Job) -> None:
    """Claim a job for this worker; raises InvalidTransitionError if another one has claimed it."""
    if not ctx.wakeups.claim(Queue.POLL, [job.id], ctx.now()):
        raise InvalidTransitionError(f"{job.id} was polled a moment ago, together with others")


def _claim_peers(ctx: Context, provider: BatchProvider, job: Job) -> list[Job]:
    """Return the jobs to poll together with `job`, claimed for this worker."""
    now = ctx.now()
    peers = {peer.id: peer for peer in _find_peers(ctx, provider, job, now)}
    claimed = ctx.wakeups.claim(Queue.POLL, [*peers], now, required=0) if peers else []
    return [peers[peer_id] for peer_id in claimed]


def _find_peers(ctx: Context, provider: BatchProvider, job: Job, now: datetime) -> list[Job]:
    """Return due jobs that the same request can ask about.

    They may have unread callbacks: to check that costs more than to ask, and only the first status
    of a task is applied.
    """
    peers = (
        peer
        for peer in ctx.store.iter_jobs(ctx.wakeups.list_due_soon(Queue.POLL, now))
        if peer.id != job.id and find_provider(peer.provider, peer.params) is provider
        if peer.account_key == job.account_key
        if peer.state in POLLED and peer.task_id
    )
    return list(islice(peers, provider.max_batch_size - 1))


def _poll_together(
    ctx: Context, provider: BatchProvider, job: Job, peers: Sequence[Job]
) -> TaskStatus:
    """Ask about a job and its peers, and apply the peers' statuses; returns that of the job."""
    status, *statuses = look_up_batch(ctx, provider, [job, *peers])
    polled = list(zip(peers, statuses, strict=True))
    results = _apply_ends(ctx, polled)
    for peer, its_status in polled:
        _apply_peer_result(ctx, peer, its_status, results.get(peer.id))
    return status


def _apply_ends(
    ctx: Context, polled: Iterable[tuple[Job, TaskStatus]]
) -> dict[str, Job | Exception]:
    """Apply the statuses of tasks that have ended; returns by id the new job or the error."""
    ended = [(job, status) for job, status in polled if isinstance(status, ENDED)]
    transitions = [(job, partial(as_reported, ctx, status, "poll")) for job, status in ended]
    results = ctx.transition_many(transitions)
    return {job.id: result for (job, _), result in zip(ended, results, strict=True)}


def _apply_peer_result(
    ctx: Context, peer: Job, status: TaskStatus, result: Job | Exception | None
) -> None:
    """Do what the peer's own poll would do then: log, and schedule the next poll."""
    with log_context(job_id=peer.id):
        log.info("job_polled", status=type(status).__name__)
        try:
            if isinstance(result, Exception):
                raise result
            in_s = None if result else _schedule_next_poll(ctx, peer, status)
            if in_s is not None:
                ctx.wakeups.set_wake_up(Queue.POLL, peer.id, add_seconds(ctx.now(), in_s))
        except (InvalidTransitionError, UnknownJobError) as error:
            log.debug("step_skipped", why=str(error))
        except RedisError:
            raise  # no other peer can go on without Redis either
        except Exception:
            # After its claim the peer is polled alone, and given up if that fails repeatedly.
            log.exception("peer_failed")
