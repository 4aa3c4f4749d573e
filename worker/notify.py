"""Notify: send a finished job's webhooks, in order.

Each webhook is signed and sent until its receiver answers with a success. The delay between tries
grows with its age. A webhook that is too old, or whose receiver answers 410, becomes a dead letter,
and the next one follows.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

from standardwebhooks import Webhook as Signer

from ..config.logging import get_logger
from ..config.queues import Queue
from ..jobs.delivery import Delivery, DeliveryError
from ..jobs.job import add_seconds
from ..providers.parsing import parse_host
from ..store.webhooks.undelivered import Webhook
from .context import Context
from .http.errors import InvalidUrlError, NoResponseError, NotSentError, PrivateAddressError
from .http.message import Request
from .saving.host_slots import HostBusyError, HostSlots

log = get_logger(__name__)

TIMEOUT_S = 15.0
# Of the 16 threads of a notifier, half are left for other hosts.
MAX_WEBHOOKS_PER_HOST = 8
_slots = HostSlots(MAX_WEBHOOKS_PER_HOST)
MIN_DELAY_S = 1.0
MAX_DELAY_S = 3600.0
# The delay is this share of the age of the webhook, so that no tries need to be counted.
DELAY_PER_AGE = 0.5
JITTER = 0.1
GONE = 410


class RejectedError(Exception):
    """The receiver answered with a status that is not a success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class GoneError(RejectedError):
    """The receiver answered 410: it wants no more webhooks."""


DELIVERY_FAILURES: dict[type[Exception], DeliveryError] = {
    GoneError: "gone",
    RejectedError: "rejected",
    PrivateAddressError: "private_address",
    InvalidUrlError: "invalid_url",
    NotSentError: "not_sent",
    NoResponseError: "no_response",
}
"""What the log of deliveries calls each failure; the most special ones first."""


def notify(ctx: Context, job_id: str) -> float | None:
    """Send a job's webhooks, oldest first, until one fails or none is left.

    Returns the seconds until the next try of the one that failed, else None.
    """
    while True:
        # Counted from before the claim: a worker that freezes here will find its deadline past.
        deadline = time.monotonic() + TIMEOUT_S
        # A repeated message ends here, and so does the job after its last webhook.
        if not ctx.wakeups.claim(Queue.NOTIFY, [job_id], ctx.now()):
            return None
        entries = ctx.outbox.list_unsent(job_id)
        if not entries:
            ctx.outbox.give_up_on(job_id, [], ctx.now())  # clears a wake-up without webhooks
            return None
        delay_s = _try_webhook(ctx, job_id, entries[0], deadline)
        if delay_s is not None:
            return delay_s


def _try_webhook(ctx: Context, job_id: str, entry: bytes, deadline: float) -> float | None:
    """Send a webhook once; returns the seconds until its next try, or None if it has ended."""
    try:
        webhook = Webhook.load(entry)
    except ValueError:
        log.error("webhook_unreadable")
        ctx.outbox.give_up_on(job_id, [entry], ctx.now())
        return None
    # Never the URL, which may hold a token.
    webhook_log = log.bind(webhook_id=webhook.id, host=parse_host(webhook.url))
    tried = _Try(ctx.now(), time.monotonic(), webhook)
    try:
        with _slots.hold(webhook.url):
            status = _send(ctx, webhook, deadline)
    except HostBusyError:
        return MIN_DELAY_S * random.uniform(1, 3)  # noqa: S311
    except tuple(DELIVERY_FAILURES) as error:
        now = ctx.now()
        age_s = (now - datetime.fromtimestamp(webhook.at, UTC)).total_seconds()
        left_s = ctx.settings.webhook_give_up_s - age_s
        if isinstance(error, GoneError) or left_s <= 0:
            webhook_log.error("webhook_given_up", why=str(error), age_s=round(age_s))
            ctx.outbox.give_up_on(job_id, [entry], now, tried.fail(error, None))
            return None
        delay_s = min(_choose_delay_s(age_s), left_s)
        webhook_log.warning("webhook_failed", why=str(error), retry_in_s=round(delay_s))
        ctx.outbox.log_failure(job_id, now, tried.fail(error, add_seconds(now, delay_s)))
        return delay_s
    ctx.outbox.mark_delivered(job_id, entry, ctx.now(), tried.end(status=status))
    webhook_log.info("webhook_delivered")
    return None


class _Try(NamedTuple):
    """A try to deliver a webhook: when it began, also by a clock that never jumps."""

    at: datetime
    started: float
    webhook: Webhook

    def fail(self, error: Exception, next_at: datetime | None) -> Delivery:
        word = next(each for kind, each in DELIVERY_FAILURES.items() if isinstance(error, kind))
        status = error.status if isinstance(error, RejectedError) else None
        return self.end(status=status, error=word, next_at=next_at)

    def end(self, **outcome: Any) -> Delivery:
        return Delivery(
            at=self.at,
            webhook_id=self.webhook.id,
            event=self.webhook.event,
            duration_ms=round((time.monotonic() - self.started) * 1000),
            **outcome,
        )


def _send(ctx: Context, webhook: Webhook, deadline: float) -> int:
    """Send a webhook and return the status, a success; raises one of DELIVERY_FAILURES."""
    request = Request(
        method="POST",
        url=webhook.url,
        deadline=deadline,
        headers=_build_headers(ctx, webhook),
        data=webhook.body.encode(),
        max_bytes=0,  # the body of the response may never end
        block_private_addresses=True,
        reuse_connection=False,
    )
    status = ctx.webhook_http.send(request).status
    if status == GONE:
        raise GoneError(status)
    if not 200 <= status < 300:
        raise RejectedError(status)
    return status


def _build_headers(ctx: Context, webhook: Webhook) -> dict[str, str]:
    """Return the headers of Standard Webhooks, signed with every secret to allow rotation.

    The secrets are those of the job's API key, or else those of the settings.
    """
    now = ctx.now().astimezone(UTC)
    own = ctx.caller_webhooks.find(webhook.caller).list_secrets(now)
    secrets = own or ctx.settings.webhook_secrets
    signatures = [Signer(secret).sign(webhook.id, now, webhook.body) for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": "imagequeue",
        "webhook-id": webhook.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _choose_delay_s(age_s: float) -> float:
    """Return a delay that grows with the age, with jitter so that failed webhooks spread out."""
    delay_s = min(max(age_s * DELAY_PER_AGE, MIN_DELAY_S), MAX_DELAY_S)
    return delay_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
