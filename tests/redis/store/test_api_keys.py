"""API keys in Redis and their commands: made once, stored as hashes."""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.errors import ApiKeyError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import utc_now
from imagequeue.providers.request import JobRequest
from imagequeue.store.callers.api_keys import ApiKey, ApiKeys, Limits
from imagequeue.worker.context import Context
from support.cli import Ran, imagequeue
from support.redis import traces

NO_RIGHTS = {
    "role": "submitter",
    "max_priority": "normal",
    "budgets": [],
    "admin": False,
    "read_only": False,
}
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


def test_only_the_hash_of_a_key_is_stored(keys: ApiKeys, ctx: Context) -> None:
    key = keys.add("shop", Limits(), utc_now())
    assert KEY.fullmatch(key)
    assert keys.all()["shop"].hash == hashlib.sha256(key.encode()).hexdigest()
    assert keys.add("other", Limits(), utc_now()) != key
    held = [ctx.store.redis.dump(name) or b"" for name in traces(ctx.settings.redis_url or "")]
    assert held
    assert not any(key[3:20].encode() in each for each in held)


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "-a", "é", "a" * 65, "local", "celery", "cli", "python", "env-1"]
)
def test_malformed_key_name_is_refused(keys: ApiKeys, name: str) -> None:
    with pytest.raises(ApiKeyError, match="cannot name a key"):
        keys.add(name, Limits(), utc_now())
    assert keys.all() == {}


def test_key_name_is_unique(keys: ApiKeys) -> None:
    keys.add("shop", Limits(), utc_now())
    before = keys.all()
    with pytest.raises(ApiKeyError, match="a key shop already"):
        keys.add("shop", Limits(), utc_now())
    assert keys.all() == before


def test_key_removed_during_a_change_stays_removed(
    keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.add("shop", Limits(), utc_now())
    copy = ApiKey.model_copy

    def removed_meanwhile(self: ApiKey, **options: Any) -> ApiKey:
        keys.remove("shop")
        return copy(self, **options)

    monkeypatch.setattr(ApiKey, "model_copy", removed_meanwhile)
    with pytest.raises(ApiKeyError, match="no key is named shop"):
        keys.change("shop", per_minute=5)
    assert keys.all() == {}


def test_commands_add_and_list_keys(run: Any, keys: ApiKeys, ctx: Context) -> None:
    made = run("add", "shop", "--per-minute", "100")
    assert (made.status, made.err) == (0, "")
    assert KEY.fullmatch(made.out.strip())
    other = json.loads(run("add", "other", "--open-jobs", "5", "--json").out)
    assert KEY.fullmatch(other.pop("key"))
    limits = {"per_minute": None, "open_jobs": 5, "in_flight": None}
    assert other == {"name": "other", **limits, **NO_RIGHTS}
    request = JobRequest(provider="kie-flux-kontext", prompt="a cat")
    ctx.store.add([build_job(ctx.settings, request, ctx.now(), submitted_by="shop")])
    keys.record_use("shop", "2026-11-20")
    listed = run("list")
    day = f"{keys.all()['shop'].created_at:%Y-%m-%d}"
    assert [line.split("  ") for line in re.sub(" {3,}", "  ", listed.out).splitlines()] == [
        ["other", "submitter", f"made {day}", "never used", "0 open", "5 open at most"],
        ["shop", "submitter", f"made {day}", "used 2026-11-20", "1 open", "100 a minute at most"],
    ]
    (_, shop) = map(json.loads, run("list", "--json").out.splitlines())
    assert shop.pop("created_at").startswith(day)
    assert shop == {
        "name": "shop",
        "per_minute": 100,
        "open_jobs": None,
        "in_flight": None,
        **NO_RIGHTS,
        "last_used": "2026-11-20",
        "open_jobs_now": 1,
    }
    for text in (listed.out, run("list", "--json").out):
        assert made.out.strip() not in text
        assert keys.all()["shop"].hash not in text


def test_limits_change_one_by_one_and_0_removes_them(run: Any, keys: ApiKeys) -> None:
    run("add", "shop", "--per-minute", "100")
    limited = run("limit", "shop", "--open-jobs", "5")
    assert limited.out == "shop  100 a minute at most  5 open at most\n"
    assert keys.all()["shop"].limits == Limits(100, 5)
    lifted = run("limit", "shop", "--per-minute", "0", "--json")
    assert json.loads(lifted.out) == {
        "name": "shop",
        "per_minute": None,
        "open_jobs": 5,
        "in_flight": None,
        **NO_RIGHTS,
    }
    assert run("limit", "shop", "--open-jobs", "0").out == "shop  no limits\n"
    assert keys.all()["shop"].limits == Limits()


def test_removing_the_last_key_warns(run: Any, keys: ApiKeys) -> None:
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
        (["remove", "\udcff"], "no key is named"),
        (["limit", "\udcff", "--open-jobs", "1"], "no key is named"),
        (["limit", "nobody", "--open-jobs", "1"], "no key is named nobody"),
        (
            ["limit", "shop"],
            "give --per-minute, --open-jobs or --in-flight, where 0 removes the limit",
        ),
    ],
)
def test_invalid_command_prints_one_line(
    run: Any, keys: ApiKeys, arguments: list[str], words: str
) -> None:
    run("add", "shop")
    before = keys.all()
    ran = run(*arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert words in ran.err
    assert keys.all() == before


def test_priorities_are_bounded_by_the_key(run: Any, keys: ApiKeys) -> None:
    run("add", "shop")
    run("add", "boss", "--admin")
    assert [each.highest_priority for each in keys.all().values()] == ["high", "normal"]
    assert run("limit", "shop", "--max-priority", "low").out == "shop  priority low at most\n"
    assert keys.all()["shop"].highest_priority == "low"
