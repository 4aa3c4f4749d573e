"""A receiver of webhooks, and jobs that have webhooks to send."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from standardwebhooks import Webhook as Verifier
from starlette.requests import Request
from starlette.responses import Response

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import State, add_seconds
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.notify import notify
from support.jobs import queued

SECRET, OLD_SECRET, OTHER_SECRET = (
    f"whsec_{base64.b64encode(bytes([n] * 32)).decode()}" for n in (1, 2, 3)
)

TOKEN = "t0ken-of-the-url"


class Heard(NamedTuple):
    """One request that reached the receiver."""

    id: str
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    def verify(self, secret: str = SECRET) -> Any:
        return Verifier(secret).verify(self.body, self.headers)


class Listener:
    """A receiver of webhooks; `answer(heard)` is a status, or a whole response."""

    def __init__(self) -> None:
        self.netloc = ""
        self.forget()

    def forget(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], Any] = lambda _: 204

    @property
    def types(self) -> list[str]:
        return [heard.type for heard in self.heard]

    async def take(self, request: Request) -> Response:
        headers = dict(request.headers)
        heard = Heard(headers["webhook-id"], headers, await request.body())
        self.heard.append(heard)
        answer = await asyncio.to_thread(self.answer, heard)
        return answer if isinstance(answer, Response) else Response(status_code=answer)


def move(ctx: Context, job_id: str, *states: State) -> None:
    for state in states:
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job, to=state: job.transition_to(to, "test", ctx.now(), ctx.now()),
        )


def failed(ctx: Context, webhook_url: str = "", **fields: Any) -> str:
    """Add a job with one unsent webhook, at any address: also one that is refused."""
    job_id = queued(ctx, **fields)
    if webhook_url:
        ctx.store.transition(
            ctx.store.get(job_id), lambda job: job.evolve(job.wake_at, webhook_url=webhook_url)
        )
    move(ctx, job_id, State.FAILED)
    return job_id


def revived(ctx: Context, **fields: Any) -> str:
    """Add a job with two unsent webhooks: it failed, then succeeded."""
    job_id = failed(ctx, **fields)
    move(ctx, job_id, State.DOWNLOADING, State.SUCCEEDED)
    return job_id


def tried(ctx: Context, job_id: str) -> float | None:
    """Run the step once, and set its countdown as its task does."""
    delay_s = notify(ctx, job_id)
    if delay_s is not None:
        ctx.wakeups.set_wake_up(Queue.NOTIFY, job_id, add_seconds(ctx.now(), delay_s))
    return delay_s


def wake_up(ctx: Context, job_id: str) -> datetime | None:
    score = ctx.store.redis.zscore(keys.due(Queue.NOTIFY), job_id)
    return None if score is None else datetime.fromtimestamp(score, UTC)


def dead(ctx: Context) -> list[str]:
    """Return the types of the dead letters, newest first."""
    return [json.loads(letter.webhook.body)["type"] for letter in ctx.outbox.iter_dead_letters()]


def is_over(ctx: Context, job_id: str) -> bool:
    return not ctx.outbox.list_unsent(job_id) and wake_up(ctx, job_id) is None
