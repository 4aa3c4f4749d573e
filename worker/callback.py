"""Callback: read what the receiver stored for a job, and settle the job with it."""

from __future__ import annotations

from ..config.logs import get_logger
from ..errors import MoveRefusedError, UnknownJobError
from ..jobs.inbox import Callback
from ..jobs.job import Job
from ..providers import get as get_provider
from ..providers.kie import verify_signature
from ..providers.wire import Failed, Pending, Succeeded, UnreadableError
from .context import Context
from .settle import settle

log = get_logger(__name__)

# kie states no window for its timestamps; its clients allow five minutes.
SIGNATURE_WINDOW_S = 300
LONGEST_TIMESTAMP = 12


def read_callbacks(ctx: Context, job_id: str) -> None:
    """Read a job's callbacks in the order they came; one that cannot be read stays."""
    read, broken = [], None
    for entry, callback in ctx.inbox.unread(job_id).items():
        try:
            _read(ctx, job_id, callback)
        except (MoveRefusedError, UnknownJobError, UnreadableError) as error:
            # Doubled, late, mismatched or not for us: an ordinary end, and nothing changed.
            log.info("callback changed nothing", why=str(error))
        except Exception as error:
            # Those behind it are read all the same.
            broken = error
            continue
        read.append(entry)
    ctx.inbox.drop(job_id, read)
    if broken:
        raise broken


def _read(ctx: Context, job_id: str, callback: Callback) -> None:
    job = ctx.load(job_id)
    report = get_provider(job.provider).read_callback(callback.body)
    if not isinstance(report, Pending | Succeeded | Failed):
        raise UnreadableError(f"a callback that reports {type(report).__name__}")
    _require_signature(ctx, job, callback, report.task_id or "")
    settle(ctx, job_id, report, cause="callback")


def _require_signature(ctx: Context, job: Job, callback: Callback, task_id: str) -> None:
    """Where kie signs, an unsigned callback is not kie's; the body itself is not covered by it."""
    key = ctx.settings.kie_webhook_hmac_key
    if key is None or get_provider(job.provider).account != "kie":
        return
    timestamp = callback.headers.get("x-webhook-timestamp", "")
    signature = callback.headers.get("x-webhook-signature", "")
    is_time = timestamp.isdecimal() and len(timestamp) <= LONGEST_TIMESTAMP
    if not is_time or abs(callback.at.timestamp() - int(timestamp)) > SIGNATURE_WINDOW_S:
        raise UnreadableError("the signature's time is missing or outside its window")
    if not verify_signature(key.get_secret_value(), task_id, timestamp, signature):
        raise UnreadableError("the signature does not fit")
