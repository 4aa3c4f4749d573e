"""Budgets as callers see them: reports, refused jobs and the options of API keys."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from imagequeue.config.budgets import Budget, find_period
from imagequeue.config.settings import read_settings
from imagequeue.errors import BudgetExceededError
from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.producer.client import LocalClient
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.money import keys as money_keys
from imagequeue.worker.context import Context
from imagequeue.worker.create import create
from support.asgi import serving
from support.budgets import Shop
from support.cli import Ran, imagequeue
from support.clock import Clock

REQUEST: dict[str, Any] = {"provider": "kie", "prompt": "x", "params": {"model": "z-image"}}
MICRO = 1_000_000
Serve = Callable[..., str]


def spend(ctx: Context, budget: str, amount: int, caller: str = "*") -> None:
    """Write that so many millionths were spent in the present day or month."""
    given = Budget.parse(budget)
    for now in (utc_now(), ctx.now()):
        period = find_period(given.period, now).name
        ctx.store.redis.hset(money_keys.spent(period), f"{given.unit}|{caller}", amount)


@pytest.fixture
def run(overrides: dict[str, str]) -> Any:
    def run_one(*arguments: str, **settings: str) -> Ran:
        return imagequeue(*arguments, settings=overrides | settings)

    return run_one


@pytest.fixture
def refusing(overrides: dict[str, str], clock: Clock) -> LocalClient:
    """A client that refuses what does not fit into `20usd/month`."""
    settings = read_settings(**overrides, budgets="20usd/month", budget_exceeded="refuse")
    return LocalClient(settings, now=clock)


def test_a_job_beyond_a_budget_is_refused(refusing: LocalClient, ctx: Context) -> None:
    refusing.submit_request(REQUEST)
    spend(ctx, "20usd/month", 20 * MICRO - 1)
    with pytest.raises(BudgetExceededError) as caught:
        refusing.submit_request(REQUEST)
    assert "20usd/month of IMAGEQUEUE_BUDGETS is used up" in str(caught.value)
    assert "it resets at 2026-12-01T00:00:00Z" in str(caught.value)
    assert caught.value.retry_after_s == 10.5 * 86400


def test_a_batch_is_refused_for_what_it_costs_in_all(refusing: LocalClient, ctx: Context) -> None:
    price = refusing.submit_request(REQUEST).job.estimate
    assert price
    spend(ctx, "20usd/month", 20 * MICRO - 3 * price // 200)  # the first one is reserved
    with pytest.raises(BudgetExceededError):
        refusing.submit_many([REQUEST] * 3)
    assert len(refusing.submit_many([REQUEST] * 2)) == 2


def test_a_known_idempotency_key_is_not_refused(refusing: LocalClient, ctx: Context) -> None:
    job = refusing.submit_request(REQUEST, idempotency_key="k").job
    spend(ctx, "20usd/month", 20 * MICRO)
    assert refusing.submit_request(REQUEST, idempotency_key="k").job.id == job.id


def test_jobs_beyond_a_budget_are_accepted_by_default(
    overrides: dict[str, str], ctx: Context
) -> None:
    spend(ctx, "1usd/day", MICRO)
    client = LocalClient(read_settings(**overrides, budgets="1usd/day"))
    assert client.submit_request(REQUEST).job.state is State.QUEUED


def test_job_dearer_than_a_whole_budget_is_always_refused(
    overrides: dict[str, str],
) -> None:
    client = LocalClient(read_settings(**overrides, budgets="0.0001usd/month"))
    with pytest.raises(BudgetExceededError, match=r"one job costs more than .* 0\.0001usd/month"):
        client.submit_request(REQUEST)


def test_a_message_beyond_a_budget_is_refused(ctx: Context) -> None:
    ApiKeys(ctx.store.redis).add(
        "shop", Limits(), ctx.now(), budgets=[Budget.parse("0.0001usd/month")]
    )
    create(ctx, REQUEST, "message-1")
    with pytest.raises(BudgetExceededError, match="of the API key shop"):
        create(ctx, REQUEST | {"submitted_by": "shop"}, "message-2")


@pytest.fixture
def serve(overrides: dict[str, str]) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(
            serving(create_app(read_settings(**overrides | more)))
        )


def test_the_api_answers_402_and_when_the_budget_resets(serve: Serve, ctx: Context) -> None:
    api = serve(budgets="20usd/month", budget_exceeded="refuse")
    spend(ctx, "20usd/month", 20 * MICRO)
    answer = requests.post(f"{api}/v1/jobs", json=REQUEST, timeout=30)
    assert answer.status_code == 402
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["title"] == "Payment Required"
    assert "20usd/month" in answer.json()["detail"]
    assert 0 < int(answer.headers["Retry-After"]) <= 31 * 86400


def test_a_key_sees_its_own_budgets_and_an_admin_all(serve: Serve, ctx: Context) -> None:
    known = ApiKeys(ctx.store.redis)
    shop = known.add("shop", Limits(), ctx.now(), budgets=[Budget.parse("5usd/month")])
    admin = known.add("admin", Limits(), ctx.now(), is_admin=True)
    spend(ctx, "5usd/month", 2 * MICRO, "shop")
    api = serve(budgets="20usd/day")

    def report(key: str) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.get(f"{api}/v1/budgets", headers=headers, timeout=30).json()["budgets"]

    (own,) = report(shop)
    assert own.pop("resets_at").endswith("-01T00:00:00Z")
    assert own == {
        "budget": "5usd/month",
        "caller": "shop",
        "spent": 2,
        "reserved": 0,
        "left": 3,
        "exhausted": False,
    }
    assert [(each["budget"], each["caller"]) for each in report(admin)] == [
        ("20usd/day", None),
        ("5usd/month", "shop"),
    ]


def test_budgets_are_listed_with_what_is_reserved(run: Any, ctx: Context) -> None:
    # The command line has the time of Redis.
    clock = Clock()
    clock.time = utc_now()
    shop = Shop(ctx.store.redis, clock, "2kie/month")
    first, *_ = (shop.add() for _ in range(3))
    shop.lease()
    shop.send(first)
    (use,) = json.loads(run("budgets", "--json", budgets="2kie/month").out)
    expected = {"spent": 1, "reserved": 1, "left": 0, "exhausted": True, "caller": None}
    assert expected.items() <= use.items()
    table = run("budgets", budgets="2kie/month").out
    assert "2kie/month" in table
    assert "exhausted" in table
    assert "no budget is set" in run("budgets").out


def test_metrics_show_what_part_of_a_budget_is_spent(serve: Serve, ctx: Context) -> None:
    spend(ctx, "20usd/month", 17 * MICRO)
    metrics = requests.get(f"{serve(budgets='20usd/month')}/metrics", timeout=30).text
    labels = '{budget="20usd/month",caller=""}'
    assert f"imagequeue_budget_spent_ratio{labels} 0.85" in metrics
    assert f"imagequeue_budget_exhausted{labels} 0.0" in metrics


def test_budgets_of_a_key_are_set_and_removed(run: Any, ctx: Context) -> None:
    run("keys", "add", "shop", "--budget", "5usd/day", "--budget", "50usd/month")

    def list_budgets() -> list[str]:
        return [str(each) for each in ApiKeys(ctx.store.redis).all()["shop"].budgets]

    assert list_budgets() == ["5usd/day", "50usd/month"]
    assert "5usd/day" in run("keys", "list").out
    run("keys", "limit", "shop", "--per-minute", "3")
    assert list_budgets() == ["5usd/day", "50usd/month"]
    run("keys", "limit", "shop", "--budget", "7usd/day")
    assert list_budgets() == ["7usd/day"]
    run("keys", "limit", "shop", "--no-budget")
    assert list_budgets() == []


@pytest.mark.parametrize(
    "options", [["--budget", "5eur/day"], ["--budget", "5usd/day", "--no-budget"]]
)
def test_bad_budget_options_are_refused(run: Any, options: list[str]) -> None:
    run("keys", "add", "shop")
    ran = run("keys", "limit", "shop", *options)
    assert ran.status == 2
    assert "budget" in ran.err
