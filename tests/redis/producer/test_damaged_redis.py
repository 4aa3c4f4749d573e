"""A damaged index, counter or stream in Redis hides no job, and stops none."""

from collections.abc import Callable

import pytest
from redis import Redis

from imagequeue.store import keys
from imagequeue.store.counters import BUCKETS_MS
from imagequeue.worker.context import Context
from support.callers import REQUEST, Ask

NO_IDS = (b"\xff\xfe", b"", b"\0", b"job_none", b"job_01JD0000000000000000000000")


def damage_indexes(client: Redis) -> None:
    for name in client.keys("iq:*"):
        if client.type(name) == b"zset":
            client.zadd(name, dict.fromkeys(NO_IDS, 0))


def damage_numbers(client: Redis) -> None:
    for name in (keys.COUNTERS, keys.OPEN_JOBS, *client.keys("iq:batch:*[0-9A-Z]")):
        numbers = {field: "x" for field in client.hkeys(name) if field != b"document"}
        client.hset(name, mapping={**numbers, b"\xff": 1, "": 1, "jobs.x": "nan", "a.b.c.d": "1e9"})
    bounds = (*BUCKETS_MS, "inf")
    client.hset(
        keys.EXEMPLARS,
        mapping={
            f"job.le.{bound}": (b"\xff", "job_1 2", "a b c")[n % 3]
            for n, bound in enumerate(bounds)
        },
    )


def damage_stream(client: Redis) -> None:
    for fields in ({"x": "y"}, {"job": b"\xff", "state": "queued"}, {"job": "job_1"}):
        client.xadd(keys.CHANGES, fields)


@pytest.mark.parametrize("damage", [damage_indexes, damage_numbers, damage_stream])
def test_damage_hides_no_job_and_stops_none(
    ask: Ask, ctx: Context, damage: Callable[[Redis], None]
) -> None:
    batch = ask("shop", "POST", "/v1/batches", json={"items": [REQUEST]}).json()
    jobs = batch["jobs"]
    damage(ctx.store.redis)
    for name in ("shop", "limited"):
        answer = ask(name, "POST", "/v1/jobs", json=REQUEST)
        assert answer.status_code == 202, answer.text
    for name in ("shop", "admin"):
        for path in (
            "/v1/jobs",
            "/v1/jobs?provider=acedata-flux",
            f"/v1/batches/{batch['id']}/jobs",
        ):
            listed = {job["id"] for job in ask(name, "GET", path).json()["jobs"]}
            assert listed >= {*jobs}, path
    for accepted in ("text/plain", "application/openmetrics-text"):
        assert ask("admin", "GET", "/metrics", headers={"Accept": accepted}).ok
    assert ask("admin", "GET", "/", page=True).ok
    with ask("shop", "GET", "/v1/events", headers={"Last-Event-ID": "1-0"}, stream=True) as events:
        lines = events.iter_lines(1, decode_unicode=True)
        assert next(line for line in lines if line.startswith("data: ") and jobs[0] in line)
    assert ask("shop", "POST", f"/v1/jobs/{jobs[0]}/cancel").json()["state"] == "cancelled"
