"""Jobs for the tests of the steps, and the answers a stub gives them."""

from datetime import timedelta
from typing import Any

from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import Image, Job, JobError, Reason, State
from imagequeue.providers.request import JobRequest
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.catalogues import REQUIRED_PARAMS

TASK = "task-1"
KIE_ACCEPTED = (200, {"code": 200, "msg": "success", "data": {"taskId": TASK}})
KIE_PENDING = (200, {"code": 200, "msg": "success", "data": {"taskId": TASK, "successFlag": 0}})


def kie_refused(code: int, message: str = "no") -> tuple[int, dict[str, Any]]:
    return 200, {"code": code, "msg": message, "data": None}


def kie_done(*urls: str) -> tuple[int, dict[str, Any]]:
    """A look-up's answer with a result URL, and perhaps an origin URL."""
    response = dict(zip(("resultImageUrl", "originImageUrl"), urls, strict=False))
    data = {"taskId": TASK, "successFlag": 1, "response": response}
    return 200, {"code": 200, "msg": "success", "data": data}


def kie_callback(url: str = "", code: int = 200, task: str = TASK) -> dict[str, Any]:
    info = {"originImageUrl": "", "resultImageUrl": url}
    return {"code": code, "msg": "words", "data": {"taskId": task, "info": info}}


def queued(ctx: Context, submitted_by: str = "", **fields: Any) -> str:
    """A job that is kept and due; returns its id."""
    fields = {"provider": "kie-flux-kontext", "prompt": "a cat", **fields}
    fields.setdefault("params", REQUIRED_PARAMS.get(fields["provider"], {}))
    request = JobRequest(**fields)
    job = build_job(ctx.settings, request, ctx.now(), submitted_by=submitted_by)
    ctx.store.add([job])
    return job.id


def charged(ctx: Context, caller: str = "", **fields: Any) -> str:
    """A job at kie that is expected to cost 4 credits, which are 2 cents; returns its id."""
    request = JobRequest(provider="kie", params={"model": "z-image"}, prompt="a cat")
    job = build_job(ctx.settings, request, ctx.now(), submitted_by=caller)
    ctx.store.add([job.model_copy(update={"estimate": 4_000_000, **fields})])
    move(ctx, job.id, State.SUBMITTING, State.WAITING, task_id="t", submissions=1)
    return job.id


def waiting(ctx: Context, stub: Any, **fields: Any) -> str:
    """A job that the stub has accepted."""
    job_id = queued(ctx, **fields)
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING
    return job_id


def path(job: Job) -> list[str]:
    """The states a job went through."""
    return ["queued", *(entry.to.value for entry in job.history)]


def move(ctx: Context, job_id: str, *states: State, **fields: Any) -> Job:
    """Bring a job to the last of `states`, where it is given `fields`."""
    for state in states:
        last = fields if state is states[-1] else {}
        job = ctx.store.transition(
            ctx.store.get(job_id),
            lambda j, state=state, last=last: j.transition_to(
                state, "test", ctx.now(), ctx.now(), **last
            ),
        )
    return job


def picture(ctx: Context, **fields: Any) -> Image:
    expires_at = ctx.now() + timedelta(hours=1)
    return Image(index=0, source_url="https://x/0", expires_at=expires_at, **fields)


def failed(ctx: Context, reason: Reason = Reason.PROVIDER, **fields: Any) -> str:
    """A job that the provider accepted, and that failed; returns its id."""
    return fail(ctx, queued(ctx, **fields), reason)


def fail(ctx: Context, job_id: str, reason: Reason = Reason.PROVIDER) -> str:
    """Let the provider accept a queued job, and then fail it."""
    states = (State.SUBMITTING, State.WAITING, State.FAILED)
    move(ctx, job_id, *states, error=JobError(reason=reason, code="500"))
    return job_id


def unsaved(ctx: Context) -> str:
    """A job whose only image could not be saved; returns its id."""
    job_id = queued(ctx)
    error = JobError(message="the URL is dead")
    states = (State.SUBMITTING, State.DOWNLOADING, State.UNSAVED)
    move(ctx, job_id, *states, images=(picture(ctx, state="expired"),), error=error)
    return job_id


def states_of(ctx: Context, *job_ids: str) -> list[str]:
    """The state that each job has now."""
    return [ctx.store.get(job_id).state.value for job_id in job_ids]
