"""Poll: ask how a task is doing, on the schedule of countdowns and then on a slow tail.

Where a provider answers for several tasks at once, the poll that comes first asks for all that are
due; their own polls, when they come, find that nothing is left to ask.
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
from ..jobs.schedule import countdowns_for, next_poll
from ..providers import PROVIDERS
from ..providers.base import BatchProvider
from ..providers.wire import Failed, StatusUnavailable, Succeeded, TaskStatus
from .context import Context
from .settle import apply_status, failed, settle
from .task_status import look_up, look_up_together

log = get_logger(__name__)

# A look-up that failed says nothing about the task: it is asked again before the next countdown.
LOOKUP_RETRY_S = 30.0
# A callback that is here but not read will most likely settle the job. Were it garbage it would be
# set aside before long, and then the poll goes on.
CALLBACK_FIRST_S = 5.0

ASKED_ABOUT = (State.WAITING, State.OVERDUE)
ENDED = (Succeeded, Failed)


def poll(ctx: Context, job_id: str) -> float | None:
    """Look after a waiting job; returns the seconds to its next poll, if there is one."""
    job = ctx.load(job_id)
    if job.state is State.UNCONFIRMED:
        ctx.transition(job, partial(_never_confirmed, ctx))
        return None
    if job.state not in ASKED_ABOUT:
        raise InvalidTransitionError(f"{job.id} is {job.state}: there is nothing to ask")
    if job.delivery == "callback" and ctx.inbox.list_unread(job.id):
        return CALLBACK_FIRST_S
    provider = PROVIDERS.get(job.provider)
    if isinstance(provider, BatchProvider) and (peers := _claim_peers(ctx, provider, job)):
        return _apply_poll_result(ctx, job, _ask_together(ctx, provider, job, peers))
    return _apply_poll_result(ctx, job, look_up(ctx, job))


def _ask_together(
    ctx: Context, provider: BatchProvider, job: Job, peers: Sequence[Job]
) -> TaskStatus:
    """Ask about a job and its peers, and do with their reports what there is to do."""
    report, *reports = look_up_together(ctx, provider, [job, *peers])
    told = list(zip(peers, reports, strict=True))
    outcomes = _settle_together(ctx, told)
    for peer, its_report in told:
        _apply_peer_result(ctx, peer, its_report, outcomes.get(peer.id))
    return report


def _settle_together(
    ctx: Context, told: Iterable[tuple[Job, TaskStatus]]
) -> dict[str, Job | Exception]:
    """Settle the jobs whose tasks have ended; returns by id what they became, or what broke."""
    ended = [(job, report) for job, report in told if isinstance(report, ENDED)]
    moves = [(job, partial(apply_status, ctx, report, "poll")) for job, report in ended]
    outcomes = ctx.transition_many(moves)
    return {job.id: outcome for (job, _), outcome in zip(ended, outcomes, strict=True)}


def _claim_peers(ctx: Context, provider: BatchProvider, job: Job) -> list[Job]:
    """The jobs to ask about together with `job`; raises InvalidTransitionError if it is taken itself."""
    now = ctx.now()
    peers = {peer.id: peer for peer in _peers(ctx, job, now, provider.max_batch_size - 1)}
    claimed = ctx.wakeups.claim(Queue.POLL, [job.id, *peers], now)
    if not claimed:
        raise InvalidTransitionError(f"{job.id} was polled a moment ago, together with others")
    return [peers[peer_id] for peer_id in claimed if peer_id != job.id]


def _peers(ctx: Context, job: Job, now: datetime, most: int) -> list[Job]:
    """Jobs that one request could ask about as well, also those with an unread callback.

    To know of those takes longer than to ask: whatever settles a job first, it is apply_status once.
    """
    fitting = (
        peer
        for peer in ctx.store.iter_jobs(ctx.wakeups.list_due_soon(Queue.POLL, now))
        if peer.id != job.id and peer.provider == job.provider
        if peer.state in ASKED_ABOUT and peer.task_id
    )
    try:
        return list(islice(fitting, most))
    except ValueError as error:
        # A record that cannot be read is the trouble of its own poll.
        log.error("polled without its peers", error=type(error).__name__)
        return []


def _apply_peer_result(
    ctx: Context, peer: Job, report: TaskStatus, outcome: Job | Exception | None
) -> None:
    """What a poll of its own would do besides settling it, next wake-up included."""
    with log_context(job_id=peer.id):
        log.info("polled", answer=type(report).__name__)
        try:
            if isinstance(outcome, Exception):
                raise outcome
            in_s = None if outcome else _schedule_next_poll(ctx, peer, report)
            if in_s is not None:
                ctx.wakeups.wake_at(Queue.POLL, peer.id, add_seconds(ctx.now(), in_s))
        except (InvalidTransitionError, UnknownJobError) as error:
            log.debug("nothing to do", why=str(error))
        except RedisError:
            raise  # None of them gets any further without it.
        except Exception:
            # IdempotencyKey the claim is over it is polled on its own, counted, and ended before too long.
            log.exception("a job polled together with others broke")


def _apply_poll_result(ctx: Context, job: Job, report: TaskStatus) -> float | None:
    log.info("polled", answer=type(report).__name__)
    if isinstance(report, ENDED):
        settle(ctx, job, report, cause="poll")
        return None
    return _schedule_next_poll(ctx, job, report)


def _schedule_next_poll(ctx: Context, job: Job, report: TaskStatus) -> float | None:
    """The countdown after a poll that apply_status nothing: a job past its last one becomes overdue."""
    settings = ctx.settings
    elapsed_s = (ctx.now() - job.accepted_at).total_seconds()
    if elapsed_s >= settings.give_up_after_s:
        ctx.transition(job, partial(_timed_out, ctx, report))
        return None
    countdowns = countdowns_for(job.delivery, settings.poll_countdowns)
    coming = next_poll(elapsed_s, countdowns, settings.poll_tail_s)
    in_s = min(coming.in_s, settings.give_up_after_s - elapsed_s)
    if isinstance(report, StatusUnavailable):
        log.warning("look-up failed", code=report.code, error=report.message)
        # Not sooner where the provider would let us: the hints of a whole batch may still be out,
        # and for a lease they are taken for good ones.
        soon_s = max(LOOKUP_RETRY_S, report.retry_after_s or 0)
        # Spread out, or a provider that had a bad minute gets the next one all at once.
        in_s = min(in_s, soon_s * random.uniform(1, 2))  # noqa: S311
    if coming.overdue and job.state is State.WAITING:
        ctx.transition(job, partial(_overdue, ctx, in_s))
    return in_s


def _overdue(ctx: Context, in_s: float, job: Job) -> Job:
    now = ctx.now()
    return job.transition_to(State.OVERDUE, "countdowns used up", now, add_seconds(now, in_s))


def _timed_out(ctx: Context, report: TaskStatus, job: Job) -> Job:
    if job.state not in ASKED_ABOUT:
        raise InvalidTransitionError(f"{job.id} is {job.state}: somebody else was first")
    message = getattr(report, "message", "") or "the provider still calls it unfinished"
    error = JobError(reason=Reason.TIMED_OUT, message=message)
    return failed(ctx, job, "gave up", error)


def _never_confirmed(ctx: Context, job: Job) -> Job:
    if job.state is not State.UNCONFIRMED or ctx.now() < job.wake_at:
        raise InvalidTransitionError(f"{job.id} is {job.state}: its callback may still come")
    error = job.error or JobError(reason=Reason.UNCONFIRMED)
    return failed(ctx, job, "never confirmed", error)
