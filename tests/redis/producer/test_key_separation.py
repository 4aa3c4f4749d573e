"""API keys are separated: each has access to its own jobs, an admin key to all."""

import json

import pytest
import requests

from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.store import keys as redis_keys
from imagequeue.store.callers.api_keys import ApiKeys, Limits, hash_key
from imagequeue.worker.context import Context
from support.asgi import serving
from support.callers import REQUEST, Ask, change, submit
from support.jobs import move, queued

OTHERS = "job_01JD0000000000000000000000"


JOB_PATHS = [
    ("GET", "/v1/jobs/{job}"),
    ("GET", "/v1/jobs/{job}?wait=1"),
    ("GET", "/v1/jobs/{job}/events"),
    ("GET", "/v1/jobs/{job}/images/0"),
    ("GET", "/v1/jobs/{job}/images/0/thumbnail"),
    ("POST", "/v1/jobs/{job}/cancel"),
    ("POST", "/v1/jobs/{job}/retry"),
    ("POST", "/v1/jobs/{job}/acknowledge"),
    ("GET", "/v1/batches/{batch}"),
    ("GET", "/v1/batches/{batch}/jobs"),
    ("GET", "/v1/images/{job}"),
    ("GET", "/v1/images/{batch}"),
]
PAGES = [
    ("GET", "/jobs/{job}"),
    ("GET", "/jobs/{job}/card"),
    ("POST", "/jobs/{job}/cancel"),
    ("POST", "/jobs/{job}/retry"),
    ("POST", "/jobs/{job}/acknowledge"),
]


def test_jobs_of_another_key_do_not_exist(ask: Ask, ctx: Context) -> None:
    batch = ask("shop", "POST", "/v1/batches", json={"items": [REQUEST]}).json()
    (job,) = batch["jobs"]
    for is_page, paths in ((False, JOB_PATHS), (True, PAGES)):
        for method, path in paths:
            path = path.format(job=job, batch=batch["id"])
            unknown = path.replace(job, OTHERS).replace(batch["id"], f"batch_{OTHERS[4:]}")
            for name in ("other", "reader"):
                answer = ask(name, method, path, page=is_page, json={"pay_again": True})
                status = 403 if name == "reader" and method == "POST" else 404
                assert answer.status_code == status, (name, method, path)
                # No difference to a job that never existed.
                same = ask(name, method, unknown, page=is_page, json={"pay_again": True})
                text = same.text.replace(OTHERS, job).replace(f"batch_{OTHERS[4:]}", batch["id"])
                assert text.partition("<main")[2] == answer.text.partition("<main")[2]
                assert is_page or text == answer.text
    assert ctx.store.get(job).state is State.QUEUED
    for name in ("shop", "admin", "wall"):
        assert ask(name, "GET", f"/v1/jobs/{job}").json()["id"] == job
        assert ask(name, "GET", f"/v1/batches/{batch['id']}").ok


def test_each_key_lists_its_own_jobs(ask: Ask, ctx: Context) -> None:
    queued(ctx)
    own = {name: submit(ask, name) for name in ("shop", "other")}
    move(ctx, own["shop"], State.SUBMITTING)

    def listed(name: str, query: str = "") -> set[str]:
        return {job["id"] for job in ask(name, "GET", f"/v1/jobs{query}").json()["jobs"]}

    assert (listed("shop"), listed("other")) == ({own["shop"]}, {own["other"]})
    assert listed("shop", "?state=submitting") == {own["shop"]}
    assert listed("other", "?state=submitting") == listed("reader") == set()
    assert len(listed("admin")) == len(listed("wall")) == 3
    page = ask("shop", "GET", "/", page=True).text
    assert (own["shop"] in page, own["other"] in page) == (True, False)
    assert ">1<" in page.replace("\n", "").replace(" ", "")


def test_listing_own_jobs_reads_nobody_elses(ask: Ask, ctx: Context) -> None:
    job = submit(ask, "shop")
    for _ in range(30):
        ctx.now.advance(1)  # type: ignore[attr-defined]
        queued(ctx)
    ask("shop", "GET", "/v1/jobs")
    read: list[int] = []
    ctx.store.redis.config_resetstat()
    assert [each["id"] for each in ask("shop", "GET", "/v1/jobs?limit=1").json()["jobs"]] == [job]
    read.append(ctx.store.redis.info("commandstats")["cmdstat_mget"]["calls"])
    assert read == [1]
    assert ctx.store.redis.zcard(redis_keys.index(State.QUEUED, "shop")) == 1


def test_events_are_those_of_own_jobs(ask: Ask, ctx: Context) -> None:
    ids = [submit(ask, name) for name in ("other", "shop", "other", "shop")]

    for name, expected in (("shop", [ids[1], ids[3]]), ("admin", ids)):
        headers = {"Last-Event-ID": "1-0"}
        with ask(name, "GET", "/v1/events", headers=headers, stream=True) as answer:
            lines = answer.iter_lines(1, decode_unicode=True)
            data = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
            jobs = (each["job"] for each in data if "job" in each)
            assert [next(jobs) for _ in expected] == expected
            # The same holds for changes from now on.
            later = [submit(ask, each) for each in ("other", "shop")]
            assert next(jobs) == later[1 if name == "shop" else 0]
            ids += later


def test_read_only_key_changes_nothing(ask: Ask, ctx: Context) -> None:
    job = submit(ask, "shop")
    for name in ("reader", "wall"):
        changes = ("cancel", "retry", "acknowledge")
        paths = [
            *(f"/v1/jobs/{job}/{name}" for name in changes),
            *(f"/v1/jobs:{c}" for c in changes),
        ]
        for path in ("/v1/jobs", "/v1/batches", *paths):
            answer = ask(name, "POST", path, json=REQUEST)
            assert (answer.status_code, "read-only" in answer.json()["detail"]) == (403, True)
        assert ask(name, "POST", f"/jobs/{job}/cancel", page=True).status_code == 403
    assert ctx.store.get(job).state is State.QUEUED
    page = ask("wall", "GET", f"/jobs/{job}", page=True).text
    assert ("cat" in page, f"/jobs/{job}/cancel" in page) == (True, False)
    assert f"/jobs/{job}/cancel" in ask("shop", "GET", f"/jobs/{job}", page=True).text


@pytest.mark.parametrize(
    ("name", "status"), [("shop", 403), ("reader", 200), ("wall", 200), ("admin", 200)]
)
def test_metrics_are_for_admin_and_read_only_keys(ask: Ask, name: str, status: int) -> None:
    assert ask(name, "GET", "/metrics").status_code == status


def test_bulk_action_changes_own_jobs_only(ask: Ask, ctx: Context) -> None:
    own = {name: submit(ask, name) for name in ("shop", "other")}
    report = change(ask, "shop", "cancel", ids=[*own.values(), OTHERS])
    assert (report["changed"], report["reasons"]) == (1, [{"why": "is not known", "jobs": 2}])
    for chosen in ({"caller": "other"}, {"state": "queued"}, {"provider": "acedata-flux"}):
        assert change(ask, "shop", "cancel", filter=chosen)["changed"] == 0
        assert change(ask, "shop", "cancel", filter=chosen, dry_run=True)["changed"] == 0
    batch = ask("other", "POST", "/v1/batches", json={"items": [REQUEST]}).json()["id"]
    by_batch = {"filter": {"batch": batch}}
    assert ask("shop", "POST", "/v1/jobs:cancel", json=by_batch).status_code == 404
    assert ctx.store.get(own["other"]).state is State.QUEUED
    assert change(ask, "admin", "cancel", filter={"caller": "other"})["changed"] == 2


def test_key_stored_by_an_earlier_version_has_its_own_jobs(ask: Ask, ctx: Context) -> None:
    record = json.loads(ctx.store.redis.hget(redis_keys.API_KEYS, "shop") or "")
    del record["is_admin"], record["is_read_only"]
    former = {**record, "hash": hash_key("former")}
    ctx.store.redis.hset(redis_keys.API_KEYS, "shop", json.dumps(former))
    job = submit(ask, "other")
    with serving(create_app(ctx.settings)) as url:
        headers = {"Authorization": "Bearer former"}
        answer = requests.post(f"{url}/v1/jobs", json=REQUEST, headers=headers, timeout=30)
        assert answer.status_code == 202
        listed = requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).json()["jobs"]
        assert [each["id"] for each in listed] == [answer.json()["id"]]
        assert requests.get(f"{url}/v1/jobs/{job}", headers=headers, timeout=30).status_code == 404


def test_jobs_stored_by_an_earlier_version_are_listed(
    ask: Ask, keys: ApiKeys, ctx: Context
) -> None:
    job = submit(ask, "shop")
    keys.remove("shop")
    headers = {"Authorization": f"Bearer {keys.add('shop', Limits(), utc_now())}"}
    ctx.store.redis.delete(redis_keys.index(State.QUEUED, "shop"), redis_keys.INDEXED)
    # A process looks for such jobs once.
    with serving(create_app(ctx.settings)) as url:
        listed = requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).json()["jobs"]
    assert [each["id"] for each in listed] == [job]


def test_index_of_a_caller_is_emptied_with_its_jobs(ask: Ask, ctx: Context) -> None:
    job = submit(ask, "shop")
    move(ctx, job, State.CANCELLED)
    assert ctx.store.count_by_state("shop")[State.CANCELLED] == 1
    ctx.now.advance(1e9)  # type: ignore[attr-defined]
    assert ctx.store.deletion.delete_expired(ctx.now()) == 1
    assert set(ctx.store.count_by_state("shop").values()) == {0}


@pytest.mark.parametrize(
    "text",
    [
        *("apikeys", "counters", "state:queued", "batch:x", "job_", "job_0", "job_x:callbacks"),
        *("job_01JD00000000000000000000000", "job_81JD0000000000000000000000"),
        *("job_01jd0000000000000000000000", "job_01JDILOU000000000000000000", OTHERS + "%0A"),
        *("%00", "%ED%A0%80", "..%2F..", "job_" + "\u0660" * 26),
    ],
)
def test_malformed_id_is_unknown(ask: Ask, text: str) -> None:
    for method, path in JOB_PATHS:
        path = path.format(job=text, batch=f"batch_{text}")
        answer = ask("admin", method, path, json={"pay_again": True})
        assert answer.status_code in (404, 405), (method, path, answer.text)
    for method, path in PAGES:
        assert ask("admin", method, path.format(job=text), page=True).status_code in (404, 405)
