"""Batches on the dashboard: their list, their progress and cost, and what is left of one."""

import re

import pytest

from imagequeue.jobs.batch import new_batch
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import State
from imagequeue.producer.dashboard.routes import batches as batch_routes
from imagequeue.providers.request import JobRequest
from imagequeue.store import keys as redis_keys
from imagequeue.worker.context import Context
from support.callers import REQUEST, Ask
from support.dashboard import cards, get
from support.jobs import move


def add_batch(ctx: Context, jobs: int = 2, caller: str = "shop") -> tuple[str, list[str]]:
    """Store a batch of jobs that cost four tenths of a cent each; return its id and theirs."""
    ctx.now.advance(1)  # type: ignore[attr-defined]
    request = JobRequest(provider="kie", params={"model": "z-image"}, prompt="a cat")
    batch = new_batch(ctx.now(), caller)
    built = [
        build_job(ctx.settings, request, ctx.now(), submitted_by=caller, batch=batch.id)
        for _ in range(jobs)
    ]
    ctx.store.add(built, batch=batch)
    return batch.id, [job.id for job in built]


def test_list_shows_progress_cost_and_caller(site: str, ctx: Context) -> None:
    assert "imagequeue batch" in get(f"{site}/batches")
    first, ids = add_batch(ctx)
    second, _ = add_batch(ctx, 3, caller="other")
    move(ctx, ids[0], State.CANCELLED)
    html = get(f"{site}/batches")
    assert re.findall(r'<h2><a href="/batches/(\w+)"', html) == [second, first]
    for words in (
        '<progress max="2" value="1" aria-label="1 of 2 jobs are finished">',
        "1 of 2 finished, 1 queued, 1 cancelled",
        "$0.00 so far, about $0.008 expected in all",
        "<span>other</span>",
    ):
        assert words in html


def test_pages_of_batches_follow_without_a_gap(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_routes, "SHOWN", 2)
    ids = [add_batch(ctx, 1)[0] for _ in range(3)][::-1]
    html = get(f"{site}/batches")
    (older,) = re.findall(r'href="(/batches\?cursor=\w+)"', html)
    found = [
        re.findall(r'<h2><a href="/batches/(\w+)"', page) for page in (html, get(site + older))
    ]
    assert found == [ids[:2], ids[2:]]
    assert "cursor of the previous page" in get(f"{site}/batches?cursor=x", 422)


def test_page_of_a_batch_leads_to_its_jobs_and_what_is_left(site: str, ctx: Context) -> None:
    batch, ids = add_batch(ctx, 3)
    _, others = add_batch(ctx)
    move(ctx, ids[0], State.SUBMITTING, State.WAITING, State.FAILED)
    html = get(f"{site}/batches/{batch}")
    assert f'<a class="button" href="/bulk/cancel?batch={batch}">Cancel 2 …</a>' in html
    assert f'href="/bulk/retry?batch={batch}">Retry 1 …' in html
    assert "acknowledge" not in html
    assert f'href="/v1/jobs/export?batch={batch}&amp;format=csv"' in html
    assert sorted(cards(get(f"{site}/?batch={batch}"))) == sorted(ids)
    assert cards(get(f"{site}/?state=failed&batch={batch}")) == [ids[0]]
    assert get(f"{site}/jobs/{others[0]}/card?batch={batch}", 204) == ""
    assert "2 of 3 jobs would be cancelled" in get(f"{site}/bulk/cancel?batch={batch}")
    assert f'<a href="/batches/{batch}">' in get(f"{site}/jobs/{ids[0]}")
    get(f"{site}/batches/batch_01JD0000000000000000000000", 404)
    get(f"{site}/?batch=x", 400)


def test_caller_sees_its_own_batches_only(ask: Ask) -> None:
    made = {
        name: ask(name, "POST", "/v1/batches", json={"items": [REQUEST]}).json()["id"]
        for name in ("shop", "other")
    }
    html = ask("shop", "GET", "/batches", page=True).text
    assert (made["shop"] in html, made["other"] in html) == (True, False)
    assert ask("shop", "GET", f"/batches/{made['other']}", page=True).status_code == 404
    viewer = ask("wall", "GET", f"/batches/{made['shop']}", page=True)
    assert (viewer.status_code, "/bulk/" in viewer.text) == (200, False)
    assert all(each in ask("wall", "GET", "/batches", page=True).text for each in made.values())


def test_batch_of_an_earlier_version_is_listed_without_an_estimate(site: str, ctx: Context) -> None:
    batch, _ = add_batch(ctx)
    client = ctx.store.redis
    client.delete(redis_keys.batches(), redis_keys.batches("shop"))
    client.hdel(redis_keys.batch(batch), "estimated_micro_usd", "unpriced")
    html = get(f"{site}/batches")
    assert (batch in html, "expected in all" in html) == (True, False)
    assert client.ttl(redis_keys.batch(batch)) > 0


def test_expired_batch_leaves_the_list(site: str, ctx: Context) -> None:
    batch, _ = add_batch(ctx)
    ctx.store.redis.delete(redis_keys.batch(batch))
    assert batch not in get(f"{site}/batches")
    ctx.now.advance(91 * 86400)  # type: ignore[attr-defined]
    other, _ = add_batch(ctx)
    assert ctx.store.redis.zrange(redis_keys.batches(), 0, -1) == [other.encode()]
