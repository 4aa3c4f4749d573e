"""Rate limits: counted together for all API processes, and a 429 that says when to retry."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from fastapi import FastAPI

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.errors import LimitError
from imagequeue.jobs.build import build_job
from imagequeue.producer.api.access import Access, Caller
from imagequeue.producer.api.problems import install_handlers
from imagequeue.providers.request import JobRequest
from imagequeue.store.callers.api_keys import Limits
from imagequeue.worker.context import Context
from support.asgi import serving
from support.clock import Clock


def opened(settings: Settings, clock: Clock) -> Access:
    """The access of one API process."""
    return Access(settings, connect(settings), clock)


def refusal(access: Access, caller: Caller, jobs: int) -> LimitError:
    with pytest.raises(LimitError) as refused:
        access.acquire(caller, jobs)
    return refused.value


def test_limit_per_minute_holds_over_all_processes(settings: Settings, clock: Clock) -> None:
    one, two = opened(settings, clock), opened(settings, clock)
    shop, other = Caller("shop", Limits(per_minute=100)), Caller("other", Limits(per_minute=1))
    one.acquire(shop, 40)
    clock.advance(20)
    two.acquire(shop, 60)
    one.acquire(other, 1)
    error = refusal(one, shop, 1)
    assert "may send 100 jobs a minute: try again in" in str(error)
    # By seconds: up to one more than a minute, never less.
    assert error.retry_after_s == 41
    assert refusal(two, shop, 41).retry_after_s == 61
    clock.advance(40)
    assert refusal(one, shop, 40).retry_after_s == 1
    clock.advance(1)
    # What was refused has not counted.
    one.acquire(shop, 40)
    assert refusal(two, shop, 1).retry_after_s == 20


def test_batch_beyond_the_limit_is_refused_whole(settings: Settings, clock: Clock) -> None:
    access = opened(settings, clock)
    minute, few = Limits(per_minute=100), Limits(open_jobs=100)
    for limits, words in [(minute, "may send 100 jobs a minute"), (few, "may have 100 open jobs")]:
        error = refusal(access, Caller("shop", limits), 5000)
        assert words in str(error)
        assert "5000 came at once: send fewer" in str(error)
        # No wait is long enough.
        assert error.retry_after_s is None
        access.acquire(Caller("shop", limits), 100)


def test_concurrent_jobs_never_exceed_the_limit(settings: Settings, clock: Clock) -> None:
    processes = [opened(settings, clock) for _ in range(4)]
    shop = Caller("shop", Limits(per_minute=50))

    def admitted(n: int) -> bool:
        try:
            processes[n % 4].acquire(shop, 1)
        except LimitError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(admitted, range(200))) == 50


def test_open_jobs_exclude_finished_ones(ctx: Context, clock: Clock) -> None:
    access = opened(ctx.settings, clock)
    shop = Caller("shop", Limits(open_jobs=3, per_minute=100))
    access.acquire(shop, 3)
    request = JobRequest(provider="kie-flux-kontext", prompt="a cat")
    jobs = [build_job(ctx.settings, request, ctx.now(), submitted_by="shop") for _ in range(3)]
    ctx.store.add(jobs)
    ctx.store.add([build_job(ctx.settings, request, ctx.now(), submitted_by="other")])
    error = refusal(access, shop, 1)
    assert (str(error), error.retry_after_s) == (
        "this key may have 3 open jobs: try again in 10 s",
        10,
    )
    ctx.store.transition(
        jobs[0], lambda job: job.transition_to("cancelled", "test", ctx.now(), ctx.now())
    )
    access.acquire(shop, 1)
    refusal(access, shop, 2)


def test_caller_without_limits_writes_nothing(ctx: Context, clock: Clock) -> None:
    access = opened(ctx.settings, clock)
    ctx.store.redis.config_resetstat()
    access.acquire(Caller("env-1"), 10**6)
    commands = ctx.store.redis.info("commandstats")
    assert not {"cmdstat_evalsha", "cmdstat_hget"} & set(commands)


def test_counts_of_a_minute_expire(ctx: Context, clock: Clock) -> None:
    access, shop = opened(ctx.settings, clock), Caller("shop", Limits(per_minute=1000))
    for _ in range(200):
        access.acquire(shop, 1)
        clock.advance(1)
    assert ctx.store.redis.hlen("iq:admitted:shop") <= 61
    assert 60 < ctx.store.redis.ttl("iq:admitted:shop") <= 120


@pytest.mark.parametrize(("wait_s", "header"), [(7, "7"), (None, None)])
def test_http_limit_is_429_with_retry_after(wait_s: int | None, header: str | None) -> None:
    app = FastAPI()
    install_handlers(app)

    @app.get("/")
    def refuse() -> None:
        raise LimitError("too many", wait_s)

    with serving(app) as url:
        answer = requests.get(url, timeout=30)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, header)
    assert answer.json()["detail"] == "too many"
