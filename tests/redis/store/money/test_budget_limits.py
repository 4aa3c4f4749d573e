"""Jobs leave only within the budgets, in all and of their caller."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis
import structlog

from imagequeue.config.budgets import Budget
from imagequeue.jobs.job import State, add_seconds
from imagequeue.store import keys
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.submit.positions import Positions
from imagequeue.store.submit.queue import Quota, dump_limits
from support.budgets import LEASE_S, Shop
from support.clock import Clock
from support.submits import put_back

DAY_S = 86400
Open = Callable[..., Shop]


@pytest.fixture
def open_shop(redis_url: str, clock: Clock) -> Open:
    return lambda *budgets: Shop(redis.Redis.from_url(redis_url), clock, *budgets)


def limit(shop: Shop, caller: str, *budgets: str) -> None:
    given = tuple(Budget.parse(each) for each in budgets)
    ApiKeys(shop.redis).add(caller, Limits(), shop.clock(), budgets=given)


@pytest.mark.parametrize("budget", ["3kie/day", "3kie/month", "0.015usd/day", "0.0199usd/month"])
def test_jobs_beyond_a_budget_wait(open_shop: Open, budget: str) -> None:
    shop = open_shop(budget)
    job_ids = [shop.add() for _ in range(5)]
    assert shop.send_all() == job_ids[:3]
    assert shop.send_all() == []


def test_what_is_leased_or_sent_is_reserved(open_shop: Open) -> None:
    shop = open_shop("2kie/day")
    first, second, _ = (shop.add() for _ in range(3))
    assert shop.lease() == [first, second]
    shop.start(first)
    assert shop.lease() == []
    assert shop.list_reserved() == {first, second}


@pytest.mark.parametrize("to", [State.QUEUED, State.FAILED])
def test_a_refusal_returns_the_reservation(open_shop: Open, to: State) -> None:
    shop = open_shop("1kie/day")
    first, second = shop.add(), shop.add()
    shop.lease()
    shop.start(first)
    shop.move(first, to)
    assert shop.list_reserved() == set()
    assert shop.lease() == [first if to is State.QUEUED else second]


@pytest.mark.parametrize("to", [State.WAITING, State.UNCONFIRMED, State.DOWNLOADING])
def test_an_outcome_that_may_be_paid_is_spent(open_shop: Open, to: State) -> None:
    shop = open_shop("1kie/day")
    first, _ = shop.add(), shop.add()
    shop.lease()
    shop.start(first)
    shop.move(first, to)
    assert shop.list_reserved() == set()
    assert shop.lease() == []


def test_a_leased_job_that_is_cancelled_returns_its_reservation(open_shop: Open) -> None:
    shop = open_shop("1kie/day")
    first, second = shop.add(), shop.add()
    shop.lease()
    shop.move(first, State.CANCELLED)
    assert shop.lease() == [second]


def test_a_job_that_is_put_back_returns_its_reservation(open_shop: Open, clock: Clock) -> None:
    shop = open_shop("1kie/day")
    first = shop.add()
    shop.lease()
    put_back(shop.store, clock, first)
    assert shop.list_reserved() == set()
    assert shop.lease() == [first]


def test_a_lost_message_reserves_once(open_shop: Open, clock: Clock) -> None:
    shop = open_shop("2kie/day")
    first, second, _ = (shop.add() for _ in range(3))
    assert shop.lease(1) == [first]
    clock.advance(LEASE_S + 1)
    assert shop.lease() == [first, second]
    shop.send(first)
    shop.send(second)
    assert shop.lease() == []


@pytest.mark.parametrize(
    ("budget", "days"), [("1kie/day", 1), ("1kie/month", 11)], ids=["day", "month"]
)
def test_jobs_leave_when_the_next_period_begins(
    open_shop: Open, clock: Clock, budget: str, days: int
) -> None:
    shop = open_shop(budget)
    _, second = shop.add(), shop.add()
    shop.send_all()
    begins = add_seconds(clock().replace(hour=0), days * DAY_S)
    assert shop.queue.lease(clock(), 9).next_at == begins
    clock.time = add_seconds(begins, -1)
    assert shop.lease() == []
    clock.advance(1)
    assert shop.lease() == [second]


def test_an_answer_after_midnight_counts_on_the_new_day(open_shop: Open, clock: Clock) -> None:
    shop = open_shop("1kie/day")
    first, second = shop.add(), shop.add()
    clock.time = clock().replace(hour=23, minute=59, second=59)
    assert shop.lease() == [first]
    shop.start(first)
    clock.advance(2)
    assert shop.lease() == []
    shop.move(first, State.WAITING)
    assert shop.lease() == []
    clock.advance(DAY_S)
    assert shop.lease() == [second]


def test_a_raised_budget_lets_jobs_leave(open_shop: Open) -> None:
    shop = open_shop()
    limit(shop, "shop", "1kie/day")
    _, second = shop.add(caller="shop"), shop.add(caller="shop")
    shop.send_all()
    assert shop.lease() == []
    ApiKeys(shop.redis).change("shop", budgets=(Budget.parse("2kie/day"),))
    assert shop.lease() == [second]


def test_a_spent_budget_of_one_caller_does_not_stop_another(open_shop: Open) -> None:
    shop = open_shop()
    limit(shop, "a", "1kie/day")
    of_a = [shop.add(caller="a") for _ in range(3)]
    of_b = [shop.add(caller="b") for _ in range(3)]
    assert sorted(shop.send_all()) == sorted([of_a[0], *of_b])


def test_a_job_that_does_not_fit_is_not_overtaken_in_its_line(
    open_shop: Open, clock: Clock
) -> None:
    shop = open_shop("3kie/day")
    first, large, small = shop.add(1), shop.add(2), shop.add(1)
    other = shop.add(1, caller="other")
    assert sorted(shop.lease()) == sorted([first, other])
    assert shop.queue.get_permit(small, clock()) is None
    assert shop.queue.get_permit(large, clock()) is None


def test_a_line_that_waited_for_its_budget_saved_no_turns_up(open_shop: Open, clock: Clock) -> None:
    shop = open_shop()
    limit(shop, "a", "1kie/day")
    for _ in range(9):
        shop.add(0.1, caller="b")
    shop.add(0.9, caller="a")
    for _ in range(5):
        shop.add(0.2, caller="a")
    shop.send_all()
    clock.advance(DAY_S)
    of_b = {shop.add(0.1, caller="b") for _ in range(5)}
    assert of_b & set(shop.lease(4))


def test_a_job_of_unknown_price_is_not_limited(open_shop: Open) -> None:
    shop = open_shop("1kie/day")
    job_ids = [shop.add(), shop.add(None, caller="b"), shop.add(0, caller="c")]
    assert sorted(shop.send_all()) == job_ids


def test_places_and_permits_of_earlier_versions_are_read(open_shop: Open) -> None:
    shop = open_shop("1kie/day")
    first, second = shop.add(), shop.add(caller="b")
    for job_id in (first, second):
        place = json.loads(shop.redis.hget(keys.PLACES, job_id))
        del place["cost"]
        shop.redis.hset(keys.PLACES, job_id, json.dumps(place))
    shop.redis.hset(keys.API_KEYS, "b", '{"hash": "", "created_at": "2026-11-01T00:00:00Z"}')
    assert sorted(shop.send_all()) == [first, second]


def test_permit_returned_by_an_earlier_version_is_not_reserved(open_shop: Open) -> None:
    shop = open_shop("1kie/day")
    first, second = shop.add(), shop.add()
    shop.lease()
    shop.redis.hdel(keys.PERMITS, first)
    assert shop.lease() == [second]
    assert shop.list_reserved() == {second}


def test_a_job_says_which_budget_it_waits_for(open_shop: Open, clock: Clock) -> None:
    shop = open_shop()
    limit(shop, "shop", "1kie/day", "0.0075usd/month")
    shop.add(0.2, caller="shop")
    shop.send_all()
    fits, waits = shop.add(0.2, caller="shop"), shop.add(1, caller="other")
    large = shop.add(1, caller="shop")
    limits = dump_limits({"kie": Quota(("main",))}, budgets=[Budget.parse("0.9kie/month")])
    jobs = [shop.store.get(job_id) for job_id in (fits, waits, large)]
    found = Positions(shop.redis, limits).measure(jobs, clock())
    assert found[fits].waits_for == "turn"
    assert (found[waits].waits_for, found[waits].reason) == ("budget", "0.9kie/month of all jobs")
    assert found[waits].starts_at == datetime(2026, 12, 1, tzinfo=UTC)
    # Of two budgets, the one that resets last.
    assert found[large].reason == "0.9kie/month of all jobs"


@pytest.mark.parametrize("budgets", ["[1]", '[{"amount": 1, "unit": "usd", "period": "week"}]'])
def test_unknown_budgets_of_one_key_hold_only_its_jobs(open_shop: Open, budgets: str) -> None:
    shop = open_shop()
    created = '"created_at": "2026-11-01T00:00:00Z"'
    record = f'{{"hash": "", {created}, "budgets": {budgets}}}'
    shop.redis.hset(keys.API_KEYS, "shop", record)
    shop.add(caller="shop")
    other = shop.add(caller="other")
    assert shop.lease() == [other]


def test_each_budget_is_logged_once_in_a_period(open_shop: Open, clock: Clock) -> None:
    shop = open_shop("10kie/day")
    limit(shop, "shop", "5kie/day")
    with structlog.testing.capture_logs() as logs:
        for _ in range(12):
            shop.add(caller="shop")
            shop.add(caller="b")
            shop.send_all()
    seen = sorted((each["event"], each["budget"], each["caller"]) for each in logs)
    assert seen == [
        ("budget_exhausted", "10kie/day", "*"),
        ("budget_exhausted", "5kie/day", "shop"),
        ("budget_warning", "10kie/day", "*"),
        ("budget_warning", "5kie/day", "shop"),
    ]
    clock.advance(DAY_S)
    with structlog.testing.capture_logs() as logs:
        shop.send_all()
    assert {each["event"] for each in logs} == {"budget_warning", "budget_exhausted"}
