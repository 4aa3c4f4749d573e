"""Notify: send a job's webhooks in order, each until somebody takes it or it is too old."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from standardwebhooks import Webhook as Signer

from ..config.logging import get_logger
from ..config.queues import Queue
from ..providers.parsing import parse_host
from ..store.webhooks import Webhook
from .context import Context
from .http.client import NoResponseError, NotSentError
from .http.connections import PrivateAddressError

log = get_logger(__name__)

TIMEOUT_S = 15.0
PAUSE_LEAST_S = 1.0
PAUSE_MOST_S = 3600.0
# Of its age so far, what a webhook waits for the next try: no try has to be counted.
PAUSE_SHARE = 0.5
SPREAD = 0.1
GONE = 410


class RefusedError(Exception):
    """The answer was no success."""


class GoneError(RefusedError):
    """The receiver wants no webhook any more."""


NOT_TAKEN = (RefusedError, NotSentError, NoResponseError, PrivateAddressError)


def notify(ctx: Context, job_id: str) -> float | None:
    """Send a job's webhooks, oldest first, up to one that is not taken.

    Returns the seconds to the next try of that one.
    """
    while True:
        # Counted from before the claim: a worker frozen here finds it gone, and sends nothing.
        deadline = time.monotonic() + TIMEOUT_S
        # A hint that came twice ends here, and so does the last webhook, whose wake-up is gone.
        if not ctx.wakeups.claim(Queue.NOTIFY, [job_id], ctx.now()):
            return None
        entries = ctx.outbox.list_unsent(job_id)
        if not entries:
            ctx.outbox.give_up_on(job_id, [], ctx.now())  # its wake-up had nothing to wake for
            return None
        pause_s = _try(ctx, job_id, entries[0], deadline)
        if pause_s is not None:
            return pause_s


def _try(ctx: Context, job_id: str, entry: bytes, deadline: float) -> float | None:
    """Send a webhook once; returns the pause before the next try, or None if there is none."""
    webhook = Webhook.load(entry)
    # Never the URL: it may hold a token.
    about = log.bind(webhook_id=webhook.id, host=parse_host(webhook.url))
    try:
        _send(ctx, webhook, deadline)
    except NOT_TAKEN as error:
        age_s = (ctx.now() - datetime.fromtimestamp(webhook.at, UTC)).total_seconds()
        left_s = ctx.settings.webhook_give_up_s - age_s
        if isinstance(error, GoneError) or left_s <= 0:
            about.error("webhook given up", why=str(error), age_s=round(age_s))
            ctx.outbox.give_up_on(job_id, [entry], ctx.now())
            return None
        pause_s = min(_pause_s(age_s), left_s)
        about.warning("webhook not taken", why=str(error), again_in_s=round(pause_s))
        return pause_s
    ctx.outbox.mark_delivered(job_id, entry, ctx.now())
    about.info("webhook delivered")
    return None


def _send(ctx: Context, webhook: Webhook, deadline: float) -> None:
    """Raises one of NOT_TAKEN unless the answer is a success."""
    with ctx.webhook_http.request(
        "POST",
        webhook.url,
        deadline=deadline,
        block_private_addresses=True,
        follow_redirects=False,
        reuse_connection=False,
        headers=_headers(ctx, webhook),
        data=webhook.body.encode(),
    ) as response:
        # The status says it all: what follows it may have no end.
        status = response.status
    if status == GONE:
        raise GoneError(f"HTTP {status}")
    if not 200 <= status < 300:
        raise RefusedError(f"HTTP {status}")


def _headers(ctx: Context, webhook: Webhook) -> dict[str, str]:
    """The headers of Standard Webhooks; signed by every secret, so that one can be replaced."""
    now = ctx.now().astimezone(UTC)
    signatures = [
        Signer(secret).sign(webhook.id, now, webhook.body)
        for secret in ctx.settings.webhook_secrets
    ]
    return {
        "content-type": "application/json",
        "user-agent": "imagequeue",
        "webhook-id": webhook.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _pause_s(age_s: float) -> float:
    """Longer the older it is; spread, or all that a receiver missed would come back together."""
    pause_s = min(max(age_s * PAUSE_SHARE, PAUSE_LEAST_S), PAUSE_MOST_S)
    return pause_s * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311
