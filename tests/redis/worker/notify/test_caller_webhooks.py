"""Webhooks of API keys: their own URL and secret, which nothing shows twice."""

import json
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from imagequeue.errors import ApiKeyError, ConfigError
from imagequeue.producer.client import LocalClient
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.webhooks import keys as webhook_keys
from imagequeue.worker.context import Context
from imagequeue.worker.create import create
from imagequeue.worker.notify import notify
from support.cli import Ran, imagequeue
from support.clock import Clock
from support.worker.webhooks import SECRET, Listener, failed, is_over

REQUEST: dict[str, Any] = {"provider": "kie-flux-kontext", "prompt": "a cat"}
DAY = timedelta(days=1).total_seconds()


@pytest.fixture(autouse=True)
def _keys(ctx: Context) -> None:
    for name in ("shop", "other"):
        ApiKeys(ctx.store.redis).add(name, Limits(), ctx.now())


@pytest.fixture
def run(overrides: dict[str, str]) -> Any:
    def run_one(*arguments: str) -> Ran:
        return imagequeue("keys", "webhook", *arguments, settings=overrides)

    return run_one


def set_up(ctx: Context, url: str | None = None, caller: str = "shop", **options: Any) -> str:
    return ctx.caller_webhooks.change(caller, ctx.now(), url, **options)[1]


# Which URL


def test_url_of_the_key_is_that_of_its_jobs(ctx: Context, listener: Listener) -> None:
    own = f"http://{listener.netloc}/shop"
    set_up(ctx, own)
    client = LocalClient(ctx.settings, now=ctx.now, name="shop")
    jobs = [
        client.submit(**REQUEST),
        *client.submit_many([REQUEST]),
        client.get(create(ctx, {**REQUEST, "submitted_by": "shop"}, "message")),
    ]
    assert [job.webhook_url for job in jobs] == [own] * 3
    given = f"http://{listener.netloc}/given"
    assert client.submit(**REQUEST, webhook_url=given).webhook_url == given
    for caller in ("other", "cli"):
        job = LocalClient(ctx.settings, now=ctx.now, name=caller).submit(**REQUEST)
        assert job.webhook_url == ctx.settings.webhook_url


def test_private_url_of_a_key_is_refused_with_its_jobs(ctx: Context) -> None:
    set_up(ctx, "http://10.0.0.1/hook")
    client = LocalClient(ctx.settings, now=ctx.now, name="shop")
    with pytest.raises(ConfigError, match=r"API key: 10\.0\.0\.1 is a private address"):
        client.submit(**REQUEST)


def test_key_with_a_secret_needs_no_default_secret(ctx: Context, listener: Listener) -> None:
    set_up(ctx, f"http://{listener.netloc}/shop")
    settings = ctx.settings.model_copy(update={"webhook_secret": ()})
    assert LocalClient(settings, now=ctx.now, name="shop").submit(**REQUEST)
    with pytest.raises(ConfigError, match="WEBHOOK_SECRET is not set"):
        LocalClient(settings, now=ctx.now, name="other").submit(**REQUEST)


# Which secret


def test_secret_of_the_key_signs_all_its_jobs(ctx: Context, listener: Listener) -> None:
    secret = set_up(ctx)
    notify(ctx, failed(ctx, submitted_by="shop"))
    notify(ctx, failed(ctx, submitted_by="other"))
    own, default = listener.heard
    assert own.verify(secret)["type"] == default.verify(SECRET)["type"] == "job.failed"
    for heard, wrong in ((own, SECRET), (default, secret)):
        with pytest.raises(WebhookVerificationError):
            heard.verify(wrong)


def test_former_secret_signs_for_a_day(ctx: Context, listener: Listener, clock: Clock) -> None:
    first = set_up(ctx)
    second = set_up(ctx, new_secret=True)
    notify(ctx, failed(ctx, submitted_by="shop"))
    assert listener.heard[0].verify(first) == listener.heard[0].verify(second)
    third = set_up(ctx, new_secret=True)
    assert len(ctx.caller_webhooks.find("shop").secrets) == 2
    # A receiver compares the timestamp with its own clock, which stands.
    found = ctx.caller_webhooks.find("shop")
    clock.advance(DAY - 1)
    assert found.list_secrets(ctx.now()) == [third, second]
    clock.advance(1)
    assert found.list_secrets(ctx.now()) == [third]


def test_new_url_keeps_the_secret(ctx: Context) -> None:
    assert set_up(ctx, "https://shop.example/1")
    assert set_up(ctx, "https://shop.example/2") == ""
    found = ctx.caller_webhooks.find("shop")
    assert (found.url, len(found.secrets)) == ("https://shop.example/2", 1)


def test_removed_webhook_leaves_the_default(ctx: Context, listener: Listener) -> None:
    job_id = failed(ctx, submitted_by="shop")
    set_up(ctx)
    ctx.caller_webhooks.remove("shop")
    notify(ctx, job_id)
    assert listener.heard[0].verify(SECRET)
    assert is_over(ctx, job_id)


def test_key_of_the_same_name_gets_no_former_webhook(ctx: Context) -> None:
    keys = ApiKeys(ctx.store.redis)
    set_up(ctx)
    keys.remove("shop")
    assert not ctx.store.redis.exists(webhook_keys.CALLER_WEBHOOKS)
    ctx.store.redis.hset(webhook_keys.CALLER_WEBHOOKS, "shop", '{"url": "https://x.example/"}')
    keys.add("shop", Limits(), ctx.now())
    assert ctx.caller_webhooks.find("shop").url is None


def test_unknown_key_gets_no_webhook(ctx: Context) -> None:
    with pytest.raises(ApiKeyError, match="no key is named gone"):
        set_up(ctx, caller="gone")
    assert not ctx.store.redis.exists(webhook_keys.CALLER_WEBHOOKS)


def test_damaged_webhook_is_neither_quoted_nor_signed_by_another_secret(
    ctx: Context, listener: Listener
) -> None:
    secret = set_up(ctx)
    record = ctx.store.redis.hget(webhook_keys.CALLER_WEBHOOKS, "shop") or b""
    ctx.store.redis.hset(webhook_keys.CALLER_WEBHOOKS, "shop", record[:-3])
    job_id = failed(ctx, submitted_by="shop")
    with pytest.raises(ConfigError, match="keys webhook shop --remove") as damaged:
        notify(ctx, job_id)
    assert secret[6:] not in str(damaged.value)
    assert (listener.heard, is_over(ctx, job_id)) == ([], False)


def test_webhook_of_an_earlier_version_is_signed_by_default(
    ctx: Context, listener: Listener
) -> None:
    set_up(ctx)
    job_id = failed(ctx, submitted_by="shop")
    (entry,) = ctx.outbox.list_unsent(job_id)
    former = {name: each for name, each in json.loads(entry).items() if name != "caller"}
    ctx.store.redis.lset(webhook_keys.webhooks(job_id), 0, json.dumps(former))
    notify(ctx, job_id)
    assert listener.heard[0].verify(SECRET)


# The command


def test_command_shows_a_secret_once(ctx: Context, run: Any, overrides: dict[str, str]) -> None:
    made = run("shop", "--url", "https://shop.example/hook/t0ken")
    assert made.status == 0
    assert made.out.startswith("whsec_")
    shown = run("shop")
    assert shown.out == ("shop  https://shop.example/hook/t0ken  signed with 1 secret of its own\n")
    rotated = json.loads(run("shop", "--new-secret", "--json").out)
    assert (rotated["secrets"], rotated["secret"].startswith("whsec_")) == (2, True)
    listed = imagequeue("keys", "list", settings=overrides).out
    for secret in (made.out.strip(), rotated["secret"]):
        assert secret not in shown.out + listed + run("shop", "--json").out
    assert run("shop", "--remove").out == "shop  the default URL  signed with the default secret\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shop", "--url", "ftp://x/"], "must be an http:// or https:// URL"),
        (["shop", "--url", "https://me@x.example/"], "without a user"),
        (["shop", "--url", "http://10.0.0.1/"], "WEBHOOK_TRUSTED_NETWORKS"),
        (["gone", "--url", "https://x.example/"], "no key is named gone"),
        (["shop", "--remove", "--new-secret"], "--remove alone"),
    ],
)
def test_command_refuses_what_would_not_work(
    ctx: Context, run: Any, arguments: list[str], words: str
) -> None:
    refused = run(*arguments)
    assert refused.status == 2
    assert words in refused.err
    assert not ctx.store.redis.exists(webhook_keys.CALLER_WEBHOOKS)
