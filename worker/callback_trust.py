"""Decide whether to trust a callback: by its signature, its URLs, or the provider's own word.

Anybody who learns a job's callback URL could send one. So a vendor that signs its callbacks has to
have signed it. By the settings, a callback may also have to be confirmed by a look-up, always or
only if its URLs lead to unknown hosts.
"""

from __future__ import annotations

from datetime import datetime

from ..config.host_patterns import HostPatterns
from ..config.queues import Queue
from ..config.settings import Settings
from ..jobs.callback import Callback
from ..jobs.job import Job, State, add_seconds
from ..providers import get as get_provider
from ..providers.wire import Failed, Pending, StatusUnavailable, Succeeded, TaskStatus
from .context import Context
from .http.errors import InvalidUrlError
from .http.url import get_origin, parse_url
from .task_status import look_up

# The poll of a job whose callback was not confirmed comes no later than this.
CONFIRM_RETRY_S = 30.0
POLLED = (State.WAITING, State.OVERDUE)


class UntrustedError(Exception):
    """The callback is not trusted; the message says why."""


class ConfirmationUnavailableError(Exception):
    """The provider, which has to confirm the callback, does not respond now."""


def require_signature(ctx: Context, job: Job, callback: Callback, task_id: str) -> None:
    """Raise SignatureError if the vendor signs its callbacks and did not sign this one."""
    account = ctx.settings.account(get_provider(job.provider, job.params).account)
    if key := account.find_key(job.account_key):
        account = account.with_key(key)
    account.verify_callback(callback.headers, callback.body, task_id, callback.at)


def confirm(ctx: Context, job: Job, status: Succeeded | Failed, at: datetime) -> TaskStatus:
    """Return a callback's status if it needs no confirmation, else what the provider itself says.

    Raises UntrustedError if the provider does not call the task finished.
    """
    if _is_trusted(ctx.settings, status):
        return status
    # A success may be of an earlier task of the job.
    task_id = status.task_id or job.task_id
    if task_id is None:
        raise UntrustedError("it names no task that the provider could be asked about")
    confirmed = look_up(ctx, job, task_id)
    if isinstance(confirmed, Succeeded | Failed):
        return confirmed
    if job.task_id is None and isinstance(confirmed, Pending):
        # The response to the submission was lost: the job is polled from now on.
        return Pending(task_id=task_id)
    is_polled = job.state in POLLED and task_id == job.task_id
    is_recent = ctx.now() < add_seconds(at, ctx.settings.give_up_after_s)
    if isinstance(confirmed, StatusUnavailable) and is_recent and not is_polled:
        # No poll would ask about this task, so the callback is read again.
        raise ConfirmationUnavailableError
    ctx.wakeups.wake_no_later_than(Queue.POLL, job.id, add_seconds(ctx.now(), CONFIRM_RETRY_S))
    raise UntrustedError(f"the provider does not confirm it: {type(confirmed).__name__}")


def _is_trusted(settings: Settings, status: Succeeded | Failed) -> bool:
    if settings.callback_trust == "requery":
        return False
    if isinstance(status, Failed) or not settings.callback_hosts:
        return True
    known = HostPatterns(settings.callback_hosts, needs_port=False)
    return all(_is_of(known, image.url) for image in status.images)


def _is_of(hosts: HostPatterns, url: str) -> bool:
    """Return whether a download of the URL would connect to one of the hosts."""
    # Other parsers find another host in `evil\@known`.
    try:
        _, host, port = get_origin(parse_url(url))
        return hosts.match(host, port)
    except InvalidUrlError:
        return False
