"""API keys in Redis: made once, kept as hashes, held to their limits."""

import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from fastapi import FastAPI

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.errors import ApiKeyError, LimitError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api.access import Access, Caller
from imagequeue.producer.api.problems import install_handlers
from imagequeue.providers.request import JobRequest
from imagequeue.store.api_keys import ApiKey, ApiKeys, Limits
from imagequeue.worker.context import Context
from support.asgi import serving
from support.cli import Ran, imagequeue
from support.clock import Clock
from support.redis import traces

KEY = re.compile(r"iq_[A-Za-z0-9_-]{43}")


@pytest.fixture
def keys(settings: Settings) -> Iterator[ApiKeys]:
    with connect(settings) as client:
        yield ApiKeys(client)


@pytest.fixture
def run(overrides: dict[str, str]) -> Any:
    def run_one(*arguments: str) -> Ran:
        return imagequeue("keys", *arguments, settings=overrides)

    return run_one


def opened(settings: Settings, clock: Clock) -> Access:
    """The access of one API process."""
    return Access(settings, connect(settings), lambda: clock().timestamp())


def refusal(access: Access, caller: Caller, jobs: int) -> LimitError:
    with pytest.raises(LimitError) as refused:
        access.acquire(caller, jobs)
    return refused.value


def test_a_key_is_not_kept_only_its_hash(keys: ApiKeys, ctx: Context) -> None:
    key = keys.add("shop", Limits(), utc_now())
    assert KEY.fullmatch(key)
    assert keys.all()["shop"].hash == hashlib.sha256(key.encode()).hexdigest()
    assert keys.add("other", Limits(), utc_now()) != key
    held = [ctx.store.redis.dump(name) or b"" for name in traces(ctx.settings.redis_url or "")]
    assert held
    assert not any(key[3:20].encode() in each for each in held)


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "-a", "é", "a" * 65, "local", "celery", "env-1"]
)
def test_a_name_that_could_be_misread_is_refused(keys: ApiKeys, name: str) -> None:
    with pytest.raises(ApiKeyError, match="cannot name a key"):
        keys.add(name, Limits(), utc_now())
    assert keys.all() == {}


def test_a_name_is_given_once(keys: ApiKeys) -> None:
    keys.add("shop", Limits(), utc_now())
    before = keys.all()
    with pytest.raises(ApiKeyError, match="a key shop already"):
        keys.add("shop", Limits(), utc_now())
    assert keys.all() == before


def test_a_key_that_is_removed_while_its_limits_change_stays_removed(
    keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.add("shop", Limits(), utc_now())
    copy = ApiKey.model_copy

    def removed_meanwhile(self: ApiKey, **options: Any) -> ApiKey:
        keys.remove("shop")
        return copy(self, **options)

    monkeypatch.setattr(ApiKey, "model_copy", removed_meanwhile)
    with pytest.raises(ApiKeyError, match="no key is named shop"):
        keys.set_limits("shop", 5, None)
    assert keys.all() == {}


def test_no_minute_has_more_jobs_than_the_limit_over_all_processes(
    settings: Settings, clock: Clock
) -> None:
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


def test_a_batch_beyond_the_limit_is_refused_whole(settings: Settings, clock: Clock) -> None:
    access = opened(settings, clock)
    minute, few = Limits(per_minute=100), Limits(open_jobs=100)
    for limits, words in [(minute, "may send 100 jobs a minute"), (few, "may have 100 open jobs")]:
        error = refusal(access, Caller("shop", limits), 5000)
        assert words in str(error)
        assert "5000 came at once: send fewer" in str(error)
        # No wait is long enough.
        assert error.retry_after_s is None
        access.acquire(Caller("shop", limits), 100)


def test_of_many_at_once_only_as_many_are_admitted_as_the_limit_says(
    settings: Settings, clock: Clock
) -> None:
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


def test_open_jobs_are_those_that_have_not_ended(ctx: Context, clock: Clock) -> None:
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


def test_a_caller_without_limits_costs_redis_nothing(ctx: Context, clock: Clock) -> None:
    access = opened(ctx.settings, clock)
    ctx.store.redis.config_resetstat()
    access.acquire(Caller("env-1"), 10**6)
    commands = ctx.store.redis.info("commandstats")
    assert not {"cmdstat_evalsha", "cmdstat_hget"} & set(commands)


def test_what_is_counted_for_a_minute_does_not_stay(ctx: Context, clock: Clock) -> None:
    access, shop = opened(ctx.settings, clock), Caller("shop", Limits(per_minute=1000))
    for _ in range(200):
        access.acquire(shop, 1)
        clock.advance(1)
    assert ctx.store.redis.hlen("iq:admitted:shop") <= 61
    assert 60 < ctx.store.redis.ttl("iq:admitted:shop") <= 120


@pytest.mark.parametrize(("wait_s", "header"), [(7, "7"), (None, None)])
def test_over_http_a_limit_is_a_429_that_says_when(wait_s: int | None, header: str | None) -> None:
    app = FastAPI()
    install_handlers(app)

    @app.get("/")
    def refuse() -> None:
        raise LimitError("too many", wait_s)

    with serving(app) as url:
        answer = requests.get(url, timeout=30)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, header)
    assert answer.json()["detail"] == "too many"


def test_the_commands_make_show_and_take_keys(run: Any, keys: ApiKeys, ctx: Context) -> None:
    made = run("add", "shop", "--per-minute", "100")
    assert (made.status, made.err) == (0, "")
    assert KEY.fullmatch(made.out.strip())
    other = json.loads(run("add", "other", "--open-jobs", "5", "--json").out)
    assert KEY.fullmatch(other.pop("key"))
    assert other == {"name": "other", "per_minute": None, "open_jobs": 5}
    request = JobRequest(provider="kie-flux-kontext", prompt="a cat")
    ctx.store.add([build_job(ctx.settings, request, ctx.now(), submitted_by="shop")])
    keys.record_use("shop", "2026-11-20")
    listed = run("list")
    day = f"{keys.all()['shop'].created_at:%Y-%m-%d}"
    assert [line.split("  ") for line in re.sub(" {3,}", "  ", listed.out).splitlines()] == [
        ["other", f"made {day}", "never used", "0 open", "5 open at most"],
        ["shop", f"made {day}", "used 2026-11-20", "1 open", "100 a minute at most"],
    ]
    (_, shop) = map(json.loads, run("list", "--json").out.splitlines())
    assert shop.pop("created_at").startswith(day)
    assert shop == {
        "name": "shop",
        "per_minute": 100,
        "open_jobs": None,
        "last_used": "2026-11-20",
        "open_jobs_now": 1,
    }
    for text in (listed.out, run("list", "--json").out):
        assert made.out.strip() not in text
        assert keys.all()["shop"].hash not in text


def test_limits_are_changed_one_by_one_and_lifted_with_0(run: Any, keys: ApiKeys) -> None:
    run("add", "shop", "--per-minute", "100")
    limited = run("limit", "shop", "--open-jobs", "5")
    assert limited.out == "shop  100 a minute at most  5 open at most\n"
    assert keys.all()["shop"].limits == Limits(100, 5)
    lifted = run("limit", "shop", "--per-minute", "0", "--json")
    assert json.loads(lifted.out) == {"name": "shop", "per_minute": None, "open_jobs": 5}
    assert run("limit", "shop", "--open-jobs", "0").out == "shop  no limits\n"
    assert keys.all()["shop"].limits == Limits()


def test_the_last_key_goes_with_a_word_of_warning(run: Any, keys: ApiKeys) -> None:
    run("add", "one")
    run("add", "two")
    assert run("remove", "one") == Ran(0, "", "")
    ran = run("remove", "two")
    assert (ran.status, "has access without a key" in ran.err) == (0, True)
    assert keys.all() == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "a:b"], "cannot name a key"),
        (["add", "shop"], "a key shop already"),
        (["add", "two", "--per-minute", "-1"], "-1 is not in the range x>=0"),
        (["remove", "nobody"], "no key is named nobody; `imagequeue keys list`"),
        (["limit", "nobody", "--open-jobs", "1"], "no key is named nobody"),
        (["limit", "shop"], "give --per-minute or --open-jobs; 0 removes the limit"),
    ],
)
def test_a_command_that_makes_no_sense_is_one_line(
    run: Any, keys: ApiKeys, arguments: list[str], words: str
) -> None:
    run("add", "shop")
    before = keys.all()
    ran = run(*arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert words in ran.err
    assert keys.all() == before
