"""Jobs at AceData, whose stub answers for several tasks at once."""

from collections.abc import Callable, Mapping
from typing import Any

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidTransitionError
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import queued
from support.stub import Stub

FIRST_S = 60

Item = Callable[[str], Any]


def pending(task_id: str) -> dict[str, Any]:
    return {"id": task_id, "response": None}


def done(task_id: str) -> dict[str, Any]:
    images = [{"image_url": f"https://a.example/{task_id}.png"}]
    return {"id": task_id, "response": {"success": True, "task_id": task_id, "data": images}}


def accepted(ctx: Context, stub: Stub, count: int) -> list[str]:
    """Jobs that AceData took as task-0, task-1 and so on."""
    job_ids = []
    for number in range(count):
        stub.answer = lambda *_, number=number: (200, {"task_id": f"task-{number}"})
        job_ids.append(queued(ctx, provider="acedata-flux"))
        submit(ctx, job_ids[-1])
    stub.asked.clear()
    return job_ids


def answering(stub: Stub, items: Mapping[str, Item], otherwise: Item = pending) -> None:
    """Make the stub answer about each task, alone or with others."""

    def answer(_: str, __: str, body: Any) -> Any:
        if body["action"] == "retrieve":
            return 200, items.get(body["id"], otherwise)(body["id"]) or {}
        found = [items.get(task_id, otherwise)(task_id) for task_id in body["ids"]]
        known = [item for item in found if item is not None]
        return 200, {"items": known, "count": len(known)}

    stub.answer = answer


def come_due(ctx: Context, clock: Clock, seconds: float = FIRST_S) -> list[str]:
    """The first polls' time has come, and a sweep has dispatched them."""
    clock.advance(seconds)
    return ctx.dispatcher.sweep(Queue.POLL, clock()).dispatched


def run_polls(ctx: Context, job_ids: list[str]) -> None:
    """Run the poll step of each job, as its task does."""
    for job_id in job_ids:
        try:
            if (in_s := poll(ctx, job_id)) is not None:
                until = ctx.now().timestamp() + in_s
                ctx.store.redis.zadd(keys.due(Queue.POLL), {job_id: until}, xx=True)
        except InvalidTransitionError:
            continue


def in_s(ctx: Context, job_id: str) -> float:
    """Return the seconds until a job's next poll."""
    score = ctx.store.redis.zscore(keys.due(Queue.POLL), job_id)
    assert isinstance(score, float)
    return score - ctx.now().timestamp()
