"""`GET /metrics`: limits in use, and costs."""

import pytest

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.store import keys
from imagequeue.worker.context import Context, open_context
from support.asgi import serving
from support.jobs import queued
from support.metrics import move, read, some

KIE = "kie-flux-kontext"


@pytest.fixture
def api(site: str) -> str:
    return site


def test_ready_jobs_and_limits_are_reported(overrides: dict[str, str]) -> None:
    limits = {"kie_rate_limit": "4/10", "kie_max_in_flight": "1"}
    settings = read_settings(**{**overrides, **limits})
    with make_celery(settings) as celery, serving(create_app(settings)) as api:
        ctx = open_context(settings, celery)
        for priority in ("high", "normal", "normal"):
            queued(ctx, priority=priority)
        ctx.submits.lease(ctx.now(), 9)
        metrics = read(api)
        assert some(metrics, "imagequeue_ready_jobs") == {
            "imagequeue_ready_jobs{priority=normal,quota=kie}": 2
        }
        assert metrics["imagequeue_ready_oldest_seconds{priority=normal,quota=kie}"] > 0
        assert metrics["imagequeue_in_flight{key=main,quota=kie}"] == 1
        assert metrics["imagequeue_max_in_flight{key=main,quota=kie}"] == 1
        assert metrics["imagequeue_rate_limit_used_ratio{key=main,quota=kie}"] == 0.25
        overdue = "imagequeue_wakeup_overdue_seconds{queue=submit}"
        looked_at = float(ctx.store.redis.get(keys.LEASED_AT))  # type: ignore[arg-type]
        ctx.store.redis.set(keys.LEASED_AT, looked_at + 1000)
        assert read(api).get(overdue, 0) == 0
        # No process has looked for jobs for a while: no worker runs.
        ctx.store.redis.set(keys.LEASED_AT, looked_at - 100)
        assert read(api)[overdue] >= 100


def test_costs_of_the_day_and_month_are_reported(api: str, ctx: Context) -> None:
    ctx.now.time = utc_now()  # type: ignore[attr-defined]
    job_id = queued(ctx, "a shop")
    move(ctx, job_id, State.SUBMITTING, State.WAITING)
    price = ctx.store.get(job_id).cost.usd
    assert price
    unpriced = queued(ctx, provider="kie", params={"model": "new/model", "unchecked": True})
    move(ctx, unpriced, State.SUBMITTING, State.WAITING)
    metrics = read(api)
    spent = some(metrics, "imagequeue_cost_usd")
    spent_in = ("day", "month")
    names = [f"imagequeue_cost_usd{{account=kie,period={p}}}" for p in spent_in]
    assert spent == dict.fromkeys(names, price)
    assert some(metrics, "imagequeue_provider_cost_usd", "imagequeue_caller_cost_usd") == {
        f"imagequeue_provider_cost_usd{{provider={KIE}}}": price,
        **{f"imagequeue_caller_cost_usd{{caller=a shop,period={p}}}": price for p in spent_in},
    }
    assert some(metrics, "imagequeue_unpriced_tasks") == {
        "imagequeue_unpriced_tasks{provider=kie}": 1
    }
