"""What the tests of the dashboard share: its pages, and jobs to show."""

import re
from typing import Any

import requests

from imagequeue.jobs.job import Job, JobError, Reason, State
from imagequeue.store.deployment.processes import Heartbeat, ProcessKind
from imagequeue.worker.context import Context
from support.jobs import move, picture, queued

SCRIPT = "<script>alert(1)</script>"


def get(url: str, status: int = 200, **options: Any) -> str:
    answer = requests.get(url, timeout=30, **options)
    assert answer.status_code == status, answer.text
    return answer.text


def post(url: str, **fields: str) -> requests.Response:
    return requests.post(url, data=fields, timeout=30, allow_redirects=False)


def cards(html: str) -> list[str]:
    """Return the ids of the jobs on a page, in their order there."""
    return re.findall(r'<li class="card" id="(\w+)"', html)


def some(ctx: Context, count: int, **fields: Any) -> list[str]:
    """Queue `count` jobs; return their ids, newest first."""
    ids = []
    for n in range(count):
        ctx.now.advance(1)  # type: ignore[attr-defined]
        ids.append(queued(ctx, **{"prompt": f"image {n}", **fields}))
    return ids[::-1]


def beat(ctx: Context, kind: ProcessKind = ProcessKind.WORKER) -> None:
    """Let a process of this kind say that it runs."""
    Heartbeat(ctx.store.redis, ctx.settings, kind).beat()


def failed(ctx: Context, **error: str) -> str:
    job_id = queued(ctx)
    job_error = JobError(reason=Reason.PROVIDER, **error)
    move(ctx, job_id, State.SUBMITTING, State.WAITING, State.FAILED, error=job_error)
    return job_id


def saved(ctx: Context, job_id: str, content_type: str) -> Job:
    image = picture(ctx, state="stored", uri="file:///x", content_type=content_type)
    image = image.model_copy(update={"width": 1600, "height": 800})
    states = (State.SUBMITTING, State.DOWNLOADING, State.SUCCEEDED)
    move(ctx, job_id, *states[:2], images=(image,))
    return move(ctx, job_id, states[2])
