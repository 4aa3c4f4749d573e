"""`GET /metrics`: the contents of the store and the broker as Prometheus metrics."""

from pathlib import Path

import pytest
import requests
from prometheus_client.openmetrics import parser

from imagequeue.config import tracing
from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings, read_settings
from imagequeue.errors import RedisUnavailableError
from imagequeue.jobs.callback import Callback, Outcome
from imagequeue.jobs.job import Reason, State, add_seconds, utc_now
from imagequeue.jobs.tokens import build_callback_url
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.producer.metrics.families import ANSWERS
from imagequeue.producer.metrics.routes import StoreCollector
from imagequeue.store import keys
from imagequeue.store.counters import BUCKETS_MS
from imagequeue.store.due.wakeups import Priority
from imagequeue.store.webhooks import keys as webhook_keys
from imagequeue.worker.context import Context, open_context
from imagequeue.worker.download import download
from imagequeue.worker.receiver.application import MAX_BODY_BYTES
from imagequeue.worker.receiver.application import create_app as create_receiver
from support.asgi import serving
from support.clock import Clock
from support.hostile import downloading, hosting, picture, says
from support.jobs import queued
from support.metrics import move, read, some
from support.stub import Stub

KIE, ACEDATA = "kie-flux-kontext", "acedata-flux"


@pytest.fixture
def api(site: str) -> str:
    return site


def test_jobs_transitions_and_stage_durations_are_counted(api: str, ctx: Context) -> None:
    queued(ctx, provider=ACEDATA)
    move(ctx, queued(ctx), State.SUBMITTING, State.FAILED)
    settled = queued(ctx, provider=ACEDATA)
    move(ctx, settled, State.SUBMITTING, State.WAITING)
    move(ctx, settled, State.DOWNLOADING, State.SUCCEEDED, cause="callback, the second one")
    metrics = read(api)
    assert some(metrics, "imagequeue_jobs", "imagequeue_failures_total") == {
        f"imagequeue_jobs{{provider={ACEDATA},state=queued}}": 1,
        f"imagequeue_jobs{{provider={ACEDATA},state=succeeded}}": 1,
        f"imagequeue_jobs{{provider={KIE},state=failed}}": 1,
        f"imagequeue_failures_total{{provider={KIE},reason=credit}}": 1,
    }
    won = "imagequeue_transitions_total{cause=callback,source=waiting,target=downloading}"
    assert (metrics[won], sum(some(metrics, "imagequeue_transitions_total").values())) == (1, 6)
    stage = "imagequeue_stage_seconds"
    assert metrics[f"{stage}_sum{{state=queued}}"] == 14
    assert metrics[f"{stage}_count{{state=queued}}"] == 2
    assert f"{stage}_bucket{{le=1.0,state=queued}}" not in metrics
    bounds = [str(ms / 1000) for ms in BUCKETS_MS if ms >= 7000] + ["+Inf"]
    assert [metrics[f"{stage}_bucket{{le={le},state=queued}}"] for le in bounds] == [2] * 8
    # Four transitions of seven seconds each, from the request to the saved image.
    job = "imagequeue_job_seconds"
    assert (metrics[f"{job}_count{{}}"], metrics[f"{job}_sum{{}}"]) == (1, 28)


def test_traced_job_is_the_exemplar_of_its_bucket(
    api: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "is_tracing", lambda: True)
    job_id = queued(ctx, provider=ACEDATA)
    move(ctx, job_id, State.SUBMITTING, State.WAITING, State.DOWNLOADING, State.SUCCEEDED)
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    answer = requests.get(f"{api}/metrics", headers=accept, timeout=30)
    families = parser.text_string_to_metric_families(answer.text)
    (sample,) = (each for family in families for each in family.samples if each.exemplar)
    assert (sample.name, sample.labels) == ("imagequeue_job_seconds_bucket", {"le": "30.0"})
    assert sample.exemplar.labels == {"trace_id": f"{tracing.find_trace_id(job_id):032x}"}
    assert sample.exemplar.value == 28
    assert float(sample.exemplar.timestamp) == ctx.now().timestamp()


def test_due_jobs_and_queued_messages_are_counted(api: str, ctx: Context) -> None:
    overdue, leased = queued(ctx), queued(ctx)
    ctx.wakeups.set_wake_up(Queue.SUBMIT, overdue, add_seconds(utc_now(), -100))
    ctx.wakeups.set_wake_up(Queue.SUBMIT, leased, add_seconds(utc_now(), 600))
    lanes = {f"job_{number}": lane for number, lane in enumerate((*Priority, Priority.LOW))}
    ctx.dispatcher._send(Queue.DOWNLOAD, lanes)
    metrics = read(api)
    assert some(metrics, "imagequeue_wakeups_due") == {"imagequeue_wakeups_due{queue=submit}": 1}
    (overdue_s,) = some(metrics, "imagequeue_wakeup_overdue_seconds").values()
    assert overdue_s >= 100
    messages = "imagequeue_queue_messages"
    assert some(metrics, messages, "imagequeue_max_queued_messages") == {
        f"{messages}{{priority=0,queue=download}}": 1,
        f"{messages}{{priority=1,queue=download}}": 2,
        "imagequeue_max_queued_messages{}": ctx.settings.max_queued_messages,
    }


@pytest.mark.parametrize(
    ("took_s", "bucket", "left_s"), [(0, "60.0", 60), (59.5, "1.0", 0.5), (90, "0.001", 0)]
)
def test_remaining_url_lifetime_is_counted_once_per_image(
    overrides: dict[str, str], clock: Clock, stub: Stub, took_s: float, bucket: str, left_s: float
) -> None:
    def speak(connection: object, asked: object) -> None:
        clock.advance(took_s)
        says(200, picture())(connection, asked)  # type: ignore[arg-type]

    with hosting() as host:
        host.speak = speak
        mine = {"kie_base_url": stub.url, "download_trusted_hosts": host.netloc}
        settings = read_settings(**{**overrides, **mine})
        with make_celery(settings) as celery, serving(create_app(settings)) as api:
            ctx = open_context(settings, celery, now=clock)
            # The second is saved by its own transition, which must not count the first again.
            urls = [f"{host.url}/{number}.png" for number in range(1 if took_s else 2)]
            job_id = downloading(ctx, stub, *urls, lifetime_s=60)
            download(ctx, job_id)
            assert ctx.store.get(job_id).state is State.SUCCEEDED
            metrics = read(api)
    left = "imagequeue_saved_left_seconds"
    assert metrics.get(f"{left}_sum{{}}", 0) == left_s * len(urls)
    lower = [str(ms / 1000) for ms in BUCKETS_MS if ms / 1000 < float(bucket)]
    assert metrics[f"{left}_bucket{{le={bucket}}}"] == metrics[f"{left}_count{{}}"] == len(urls)
    assert not [le for le in lower if f"{left}_bucket{{le={le}}}" in metrics]


def test_callbacks_are_counted_by_response_and_outcome(settings: Settings, ctx: Context) -> None:
    job_id = queued(ctx)
    with serving(create_receiver(settings)) as receiver:
        url = receiver + build_callback_url("", settings.signing_secrets, KIE, job_id)
        for body, status in ((b"x", 200), (b"y", 200), (b"z" * (MAX_BODY_BYTES + 1), 413)):
            assert requests.post(url, body, timeout=30).status_code == status
        assert requests.post(f"{url[:-1]}g", b"x", timeout=30).status_code == 404
    callbacks = ctx.inbox.list_unread(job_id)
    outcomes = (Outcome.SETTLED, Outcome.UNTRUSTED)
    ctx.inbox.acknowledge(job_id, dict(zip(callbacks, outcomes, strict=True)))
    with serving(create_app(settings)) as api:
        metrics = read(api)
    names = ("received_total", "read_total")
    assert some(metrics, *(f"imagequeue_callbacks_{name}" for name in names)) == {
        "imagequeue_callbacks_received_total{answer=accepted}": 2,
        "imagequeue_callbacks_received_total{answer=oversized}": 1,
        "imagequeue_callbacks_received_total{answer=forged}": 1,
        "imagequeue_callbacks_read_total{outcome=settled}": 1,
        "imagequeue_callbacks_read_total{outcome=untrusted}": 1,
    }
    assert metrics["imagequeue_callback_store_seconds_count{}"] == 2
    assert metrics["imagequeue_quarantine_callbacks{}"] == 1
    callback = Callback(utc_now(), {}, b"y")
    assert metrics["imagequeue_quarantine_bytes{}"] == pytest.approx(len(callback.dump()), abs=4)


def test_webhooks_callers_and_redis_are_reported(api: str, ctx: Context) -> None:
    redis = ctx.store.redis
    redis.zadd(keys.due(Queue.NOTIFY), {"job_1": 1, "job_2": 2})
    for number in range(3):
        redis.xadd(webhook_keys.DEAD_WEBHOOKS, {"job": f"job_{number}", "entry": b"{}"})
    redis.hset(keys.OPEN_JOBS, "shop", 4)
    metrics = read(api)
    assert metrics["imagequeue_webhooks_waiting{}"] == 2
    assert metrics["imagequeue_webhooks_dead{}"] == 3
    assert metrics["imagequeue_open_jobs{caller=shop}"] == 4
    assert metrics["imagequeue_redis_aof_enabled{}"] == 1
    assert metrics["imagequeue_redis_aof_writable{}"] == 1
    used, most = "imagequeue_redis_memory_bytes{}", "imagequeue_redis_memory_max_bytes{}"
    assert 0 < metrics[used] < metrics[most]
    redis.config_set("maxmemory", 123_456_789)
    try:
        assert read(api)[most] == 123_456_789
    finally:
        redis.config_set("maxmemory", 0)


def test_counters_behind_alerts_start_at_zero(api: str, redis_url: str) -> None:
    text = requests.get(f"{api}/metrics", timeout=30).text
    for reason in Reason:
        assert f'imagequeue_failures_total{{provider="{KIE}",reason="{reason}"}} 0.0' in text
    for answer in ANSWERS:
        assert f'imagequeue_callbacks_received_total{{answer="{answer}"}} 0.0' in text


def test_metrics_need_a_key(overrides: dict[str, str]) -> None:
    with serving(create_app(read_settings(**overrides, api_keys="key-one"))) as url:
        assert requests.get(f"{url}/metrics", timeout=30).status_code == 401
        assert read(url, Authorization="Bearer key-one")


@pytest.mark.parametrize("gone", ["redis_url", "broker_url"])
def test_scrape_fails_while_redis_or_broker_is_away(
    overrides: dict[str, str], tmp_path: Path, gone: str
) -> None:
    server = EmbeddedRedis(Settings(data_dir=tmp_path / "gone"))
    collector = StoreCollector(read_settings(**{**overrides, gone: server.start()}))
    assert list(collector.collect())
    server.stop()
    with pytest.raises(RedisUnavailableError):
        collector.collect()
