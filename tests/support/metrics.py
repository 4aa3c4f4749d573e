"""Scrapes of `/metrics`."""

from collections.abc import Mapping

import requests
from prometheus_client.parser import text_string_to_metric_families

from imagequeue.jobs.job import JobError, Reason, State
from imagequeue.worker.context import Context
from support.jobs import queued

Metrics = Mapping[str, float]


def read(url: str, **options: str) -> Metrics:
    """Return the samples of a scrape that are not 0, by name and sorted labels."""
    answer = requests.get(f"{url}/metrics", headers=options, timeout=30)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {
        f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}": (
            sample.value
        )
        for family in families
        for sample in family.samples
        if sample.value
    }


def some(metrics: Metrics, *names: str) -> Metrics:
    """Return the metrics with these names, with any labels."""
    return {key: value for key, value in metrics.items() if key.partition("{")[0] in names}


def move(ctx: Context, job_id: str, *states: State, cause: str = "test") -> None:
    for state in states:
        ctx.now.advance(7)  # type: ignore[attr-defined]
        error = JobError(reason=Reason.CREDIT) if state is State.FAILED else None
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda j: j.transition_to(state, cause, ctx.now(), ctx.now(), error=error),  # noqa: B023
        )


def add_results(ctx: Context, *causes: str) -> None:
    """Add a job that has been queued for an hour, and one more whose result each cause reports."""
    ctx.now.advance(-3600)  # type: ignore[attr-defined]
    queued(ctx)
    for cause in causes:
        job_id = queued(ctx)
        move(ctx, job_id, State.SUBMITTING, State.WAITING)
        move(ctx, job_id, State.DOWNLOADING, cause=cause)
    ctx.now.advance(3600)  # type: ignore[attr-defined]
