"""What callers with different API keys ask for."""

import json
from collections.abc import Callable
from typing import Any

import requests

from imagequeue.jobs.job import JobError, Reason, State
from imagequeue.worker.context import Context
from support.jobs import move

REQUEST = {"provider": "acedata-flux", "prompt": "the shop's cat"}

Ask = Callable[..., requests.Response]


def submit(ask: Ask, name: str) -> str:
    answer = ask(name, "POST", "/v1/jobs", json=REQUEST)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def fail(ctx: Context, job_id: str) -> None:
    error = JobError(reason=Reason.PROVIDER, code="500", message="no")
    move(ctx, job_id, State.SUBMITTING, State.FAILED, error=error)


def change(ask: Ask, name: str, action: str, **body: Any) -> dict[str, Any]:
    answer = ask(name, "POST", f"/v1/jobs:{action}", json=body)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = json.loads(answer.text.splitlines()[-1])
    return report
