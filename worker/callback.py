"""Callback: read what the receiver stored for a job, and settle the job with it."""

from __future__ import annotations

from fnmatch import fnmatch

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from ..config.logging import get_logger
from ..config.queues import Queue
from ..config.settings import Settings
from ..errors import InvalidTransitionError, UnknownJobError
from ..jobs.callback import Callback, Outcome
from ..jobs.job import Job, State, add_seconds
from ..providers import get as get_provider
from ..providers.account import SignatureError
from ..providers.wire import (
    Failed,
    MalformedResponseError,
    Pending,
    StatusUnavailable,
    Succeeded,
    TaskStatus,
)
from .context import Context
from .settle import DifferentTaskError, settle
from .task_status import look_up

log = get_logger(__name__)

MAX_TASK_ID = 200
# The poll of a job whose callback could not be confirmed comes no later than this.
CONFIRM_AGAIN_S = 30.0
HAS_NO_POLL = (State.SUBMITTING, State.UNCONFIRMED)


class UntrustedError(Exception):
    """The callback is not believed; the message says why."""


class NotYetError(Exception):
    """The provider, which is to confirm the callback, does not answer now."""


def read_callbacks(ctx: Context, job_id: str) -> float | None:
    """Read a job's callbacks in the order they came; one that cannot be read stays.

    Returns the seconds until those that could not be confirmed are to be read again, if any are.
    """
    outcomes: dict[bytes, Outcome] = {}
    broken, retry_in = None, None
    for entry, callback in ctx.inbox.list_unread(job_id).items():
        try:
            outcomes[entry] = _read(ctx, job_id, callback)
        except NotYetError:
            retry_in = CONFIRM_AGAIN_S
        except Exception as error:
            # Those behind it are read all the same.
            broken = error
    ctx.inbox.acknowledge(job_id, outcomes)
    if broken:
        raise broken
    return retry_in


def _read(ctx: Context, job_id: str, callback: Callback) -> Outcome:
    """Settle the job with one callback; whatever is wrong with it is an ordinary end."""
    why = ""
    try:
        job = ctx.load(job_id)
        report = _report(ctx, job, callback)
        outcome = _settled(ctx, job, report)
    except UnknownJobError:
        outcome = Outcome.ORPHANED
    except MalformedResponseError as error:
        outcome, why = Outcome.UNREADABLE, str(error)
    except (UntrustedError, SignatureError) as error:
        outcome, why = Outcome.UNTRUSTED, str(error)
    log.info("callback read", outcome=outcome.value, why=why)
    return outcome


def _report(ctx: Context, job: Job, callback: Callback) -> TaskStatus:
    """What the callback says, as far as it is believed."""
    report = get_provider(job.provider).parse_callback(callback.body)
    if not isinstance(report, Pending | Succeeded | Failed):
        raise MalformedResponseError(f"a callback that reports {type(report).__name__}")
    if len(report.task_id or "") > MAX_TASK_ID:
        raise MalformedResponseError("a task id that is none")
    _require_signature(ctx, job, callback, report.task_id or "")
    # Where the pictures are known already, nothing that it says would be acted on.
    if job.images or isinstance(report, Pending) or _is_believed(ctx.settings, report):
        return report
    return _confirmed(ctx, job, report)


def _settled(ctx: Context, job: Job, report: TaskStatus) -> Outcome:
    try:
        job = settle(ctx, job, report, cause="callback")
    except DifferentTaskError:
        return Outcome.MISMATCHED
    except InvalidTransitionError:
        known = _is_known(ctx.store.get(job.id), report)
        return Outcome.DUPLICATE if known else Outcome.ORPHANED
    ignored = isinstance(report, Failed) and job.state is not State.FAILED
    return Outcome.CONTRADICTED if ignored else Outcome.SETTLED


def _is_known(job: Job, report: TaskStatus) -> bool:
    """Whether the job's record holds what the report says."""
    match report:
        case Succeeded(images=images):
            return {image.url for image in images} <= {image.source_url for image in job.images}
        case Failed(code=code):
            return bool(job.images) or (job.error is not None and job.error.code == code)
        case _:
            return True


def _is_believed(settings: Settings, report: Succeeded | Failed) -> bool:
    if settings.callback_trust == "requery":
        return False
    if isinstance(report, Failed) or not settings.callback_hosts:
        return True
    known = [pattern.lower() for pattern in settings.callback_hosts]
    hosts = [_host(image.url) for image in report.images]
    return all(any(fnmatch(host, pattern) for pattern in known) for host in hosts)


def _host(url: str) -> str:
    """The host that a download would ask; empty where it could ask none."""
    # Read as urllib3 reads it: to the standard library, `evil\@known` lies on the other host.
    try:
        return parse_url(url).host or ""
    except LocationParseError:
        return ""


def _confirmed(ctx: Context, job: Job, report: Succeeded | Failed) -> TaskStatus:
    """What the provider itself says of the task; raises UntrustedError if it is not finished."""
    task_id = job.task_id or report.task_id
    if task_id is None:
        raise UntrustedError("it names no task that the provider could be asked about")
    answer = look_up(ctx, job, task_id)
    if isinstance(answer, Succeeded | Failed):
        return answer
    if job.task_id is None and isinstance(answer, Pending):
        # An answer that was lost: the job is polled from here on.
        return Pending(task_id=task_id)
    if job.state in HAS_NO_POLL and isinstance(answer, StatusUnavailable):
        # Nobody else would ask about this task; the job's own deadline ends the waiting.
        raise NotYetError
    ctx.wakeups.wake_no_later_than(Queue.POLL, job.id, add_seconds(ctx.now(), CONFIRM_AGAIN_S))
    raise UntrustedError(f"the provider does not confirm it: {type(answer).__name__}")


def _require_signature(ctx: Context, job: Job, callback: Callback, task_id: str) -> None:
    """Raise SignatureError if the vendor signs its callbacks and did not sign this one."""
    account = ctx.settings.account(get_provider(job.provider).account)
    account.verify_callback(callback.headers, callback.body, task_id, callback.at)
