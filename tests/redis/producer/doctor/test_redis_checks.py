"""`imagequeue doctor` on Redis: away, slow, full, of another time, and the limits in it."""

import socket
import time
from pathlib import Path

import pytest
import redis

from imagequeue.producer.doctor import redis_checks
from imagequeue.producer.local.ports import free_port
from imagequeue.store import keys
from support.doctor import Doctor
from support.redis import evicting_redis


def test_other_checks_run_while_redis_is_away(doctor: Doctor) -> None:
    found = doctor(redis_url=f"redis://:hunter2@127.0.0.1:{free_port()}")
    assert list(found.failed) == ["redis"]
    assert "IMAGEQUEUE_REDIS_URL" in found.failed["redis"]
    assert " ".join(found.ok) == (
        "settings plug-ins provider keys secret storage outgoing callbacks webhooks"
    )


def test_silent_redis_times_out(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_checks, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = doctor(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}")
    assert "does not answer" in found.failed["redis"]


def test_evicting_redis_fails(doctor: Doctor, tmp_path: Path) -> None:
    with evicting_redis(tmp_path) as url:
        assert "maxmemory-policy noeviction" in doctor(redis_url=url).failed["redis"]


def test_slow_or_nearly_full_redis_fails(
    doctor: Doctor, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_checks, "SLOW_MS", 0)
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] * 11 // 10)
        try:
            found = doctor()
        finally:
            client.config_set("maxmemory", 0)
    assert "closer together" in found.failed["redis latency"]
    assert "lower IMAGEQUEUE_RETENTION_S" in found.failed["redis memory"]


@pytest.mark.parametrize(("off_s", "words"), [(3, "s ahead of Redis"), (-3, "s behind Redis")])
def test_clock_difference_fails(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, off_s: int, words: str
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + off_s)
    found = doctor()
    assert list(found.failed) == ["clock"]
    assert words in found.failed["clock"]
    assert "NTP" in found.failed["clock"]


def test_limits_are_listed_with_what_is_in_flight(doctor: Doctor, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.sadd(keys.in_flight_at("kie", "spare"), "job_1")
    found = doctor(kie_rate_limit="20/10", kie_max_in_flight="100", kie_api_keys="spare:another")
    assert found.ok["kie limits"] == (
        "20 in 10 s, 100 in flight for each key (main 0 in flight now, spare 1 in flight now)"
    )
    other = found.ok["acedata.flux limits"]
    assert other == "any rate, any in flight for each key (main 0 in flight now)"
