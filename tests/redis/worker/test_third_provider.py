"""A new vendor: its folder and one entry in the registry are all that the queue needs."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from imagequeue import providers
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import ConfigError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.web_checks import check_provider_keys
from imagequeue.store.submit.queue import open_submit_queue
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.receiver.application import create_app
from imagequeue.worker.submit import submit
from support.asgi import serving
from support.clock import Clock
from support.stub import Stub, stub_server
from support.third_provider.account import ThirdAccount
from support.third_provider.provider import ThirdProvider

CALLBACK = json.dumps({"id": "t1", "url": "https://third.example/0.png"}).encode()
SIGNATURE = hmac.new(b"verify", CALLBACK, hashlib.sha256).hexdigest()


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = ThirdProvider()
    monkeypatch.setitem(providers.PROVIDERS, provider.name, provider)


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub, _registered: None) -> dict[str, str]:
    return {
        **overrides,
        "third_api_key": "a third key",
        "third_base_url": stub.url,
        "third_callback_key": "verify",
        "public_url": "http://callbacks.example",
    }


def submit_one(ctx: Context, stub: Stub, answer: Any = (200, {"id": "t1"})) -> str:
    stub.answer = lambda *_: answer
    job = LocalClient(ctx.settings, now=ctx.now).submit(provider="third-images", prompt="a cat")
    submit(ctx, job.id)
    assert ctx.store.get(job.id).state is State.WAITING
    return job.id


def test_its_fields_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEQUEUE_THIRD_API_KEY", "a third key")
    account = read_settings().account(ThirdAccount)
    assert (account.key, account.base_url) == ("a third key", "https://api.third.example")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("THIRD_API_KYE", "k", "did you mean IMAGEQUEUE_THIRD_API_KEY?"),
        ("THIRD_BASE_URL", "third", "IMAGEQUEUE_THIRD_BASE_URL: must be an http"),
    ],
)
def test_its_settings_are_validated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    monkeypatch.setenv(f"IMAGEQUEUE_{name}", value)
    with pytest.raises(ConfigError) as caught:
        read_settings()
    assert line in str(caught.value)


def test_without_a_key_its_jobs_are_refused(overrides: dict[str, str]) -> None:
    del overrides["third_api_key"]
    client = LocalClient(read_settings(**overrides))
    with pytest.raises(ConfigError, match="no key for third: set IMAGEQUEUE_THIRD_API_KEY"):
        client.submit(provider="third-images", prompt="a cat")


def test_a_poll_starts_its_download(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = submit_one(ctx, stub)
    assert stub.posts[0]["prompt"] == "a cat"
    assert stub.headers[0]["x-key"] == "a third key"
    assert "authorization" not in stub.headers[0]
    stub.answer = lambda *_: (200, CALLBACK)
    clock.advance(60)
    poll(ctx, job_id)
    assert ctx.store.get(job_id).state is State.DOWNLOADING


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ({"X-Third-Signature": SIGNATURE}, State.DOWNLOADING),
        ({"X-Third-Signature": "0" * 64}, State.WAITING),
        ({}, State.WAITING),
    ],
    ids=["signed", "forged", "unsigned"],
)
def test_only_its_signed_callbacks_count(
    ctx: Context, stub: Stub, settings: Settings, headers: dict[str, str], state: State
) -> None:
    job_id = submit_one(ctx, stub)
    path = stub.posts[0]["webhook"].removeprefix("http://callbacks.example")
    with serving(create_app(settings)) as url:
        assert requests.post(url + path, data=CALLBACK, headers=headers, timeout=5).ok
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is state


def test_queued_jobs_stay_while_the_provider_is_gone(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answer = lambda *_: (200, {"id": "t1"})
    job = LocalClient(ctx.settings, now=ctx.now).submit(provider="third-images", prompt="a cat")
    with monkeypatch.context() as patch:
        patch.delitem(providers.PROVIDERS, "third-images")
        without = open_submit_queue(ctx.store.redis, ctx.settings)
        assert without.lease(ctx.now(), 1).job_ids == []
    submit(ctx, job.id)
    assert ctx.store.get(job.id).state is State.WAITING


def test_secret_of_the_account_is_sent(ctx: Context, stub: Stub) -> None:
    submit_one(ctx, stub)
    assert stub.posts[0]["webhook_secret"] == "verify"


def test_cost_stated_with_the_acceptance_counts(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = submit_one(ctx, stub, (200, {"id": "t1", "cost": 3.5}))
    cost = ctx.store.get(job_id).cost
    assert cost
    assert (cost.credits, cost.estimated, cost.unpriced) == (3.5, False, 0)
    stub.answer = lambda *_: (200, CALLBACK)
    clock.advance(360)
    poll(ctx, job_id)
    assert ctx.store.get(job_id).cost == cost


class TestTaskWithARegion:
    @pytest.fixture
    def job_id(self, ctx: Context, stub: Stub, region: Stub) -> str:
        answer = (200, {"id": "t1", "region": region.url.rpartition(":")[2]})
        return submit_one(ctx, stub, answer)

    @pytest.fixture
    def region(self) -> Iterator[Stub]:
        with stub_server() as region:
            yield region

    def test_its_status_is_asked_for_there(
        self, ctx: Context, region: Stub, clock: Clock, job_id: str
    ) -> None:
        region.answer = lambda *_: (200, CALLBACK)
        clock.advance(360)
        poll(ctx, job_id)
        assert region.asked == [("GET", "/images/t1", None)]
        assert region.headers[0]["x-key"] == "a third key"
        job = ctx.store.get(job_id)
        assert job.state is State.DOWNLOADING
        assert (job.task_id, job.former_tasks) == (f"t1@{region.url.rpartition(':')[2]}", ())

    def test_its_callback_names_it_without_the_region(
        self, ctx: Context, region: Stub, settings: Settings, stub: Stub, job_id: str
    ) -> None:
        path = stub.posts[0]["webhook"].removeprefix("http://callbacks.example")
        with serving(create_app(settings)) as url:
            headers = {"X-Third-Signature": SIGNATURE}
            assert requests.post(url + path, data=CALLBACK, headers=headers, timeout=5).ok
        read_callbacks(ctx, job_id)
        job = ctx.store.get(job_id)
        assert job.state is State.DOWNLOADING
        assert (job.task_id, job.former_tasks) == (f"t1@{region.url.rpartition(':')[2]}", ())
        assert [cost.task_id for cost in job.costs] == [job.task_id]


def test_the_doctor_reports_its_credit(overrides: dict[str, str], stub: Stub) -> None:
    stub.answer = lambda *_: (200, {"credit": 3.5})
    settings = read_settings(**{**overrides, "kie_api_key": ""})
    assert check_provider_keys(settings) == "acedata: set, not checked; third: 3.5 credits left"
    assert stub.asked == [("GET", "/credit", None)]


def test_worker_that_lacks_it_leaves_its_jobs_to_others(
    ctx: Context, stub: Stub, clock: Clock, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = LocalClient(ctx.settings, now=ctx.now).submit(provider="third-images", prompt="a cat")
    task = make_worker_app(settings, now=clock).tasks["imagequeue.submit"]
    with monkeypatch.context() as without:
        without.delitem(providers.PROVIDERS, "third-images")
        for _ in range(settings.max_crashes + 1):
            task(job.id)
    assert ctx.store.get(job.id).state is State.QUEUED
    stub.answer = lambda *_: (200, {"id": "t1"})
    task(job.id)
    assert ctx.store.get(job.id).state is State.WAITING
