"""A job's page leads to its neighbours, and shows what the job started from."""

import re

import pytest
import requests

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State, add_seconds, utc_now
from imagequeue.jobs.upload import Upload
from imagequeue.producer.client import LocalClient
from imagequeue.producer.dashboard.timeline import Bar, build_timeline
from imagequeue.store.images.uploads import Uploads
from imagequeue.worker.context import Context
from support.callers import Ask
from support.dashboard import get, some
from support.images import PNG, stored
from support.jobs import move, queued

EDIT = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "a hat"}


def find_neighbours(html: str) -> tuple[str, ...]:
    found = dict(re.findall(r'rel="(prev|next)" href="/jobs/([^"]*)"', html))
    return found.get("prev", ""), found.get("next", "")


def test_page_leads_to_the_next_newer_and_older_job(site: str, ctx: Context) -> None:
    newest, middle, oldest = some(ctx, 3)
    assert find_neighbours(get(f"{site}/jobs/{middle}")) == (newest, oldest)
    assert find_neighbours(get(f"{site}/jobs/{newest}")) == ("", middle)
    assert find_neighbours(get(f"{site}/jobs/{oldest}")) == (middle, "")
    move(ctx, middle, State.SUBMITTING)
    query = "?state=queued&q=image"
    html = get(f"{site}/jobs/{newest}{query}")
    assert find_neighbours(html) == ("", f"{oldest}{query}".replace("&", "&amp;"))
    assert f'href="/{query.replace("&", "&amp;")}">← The jobs' in html


def test_neighbours_are_jobs_of_the_caller(ask: Ask, ctx: Context) -> None:
    callers = ("shop", "other", "shop", "other", "shop")
    older, _, own, _, newer = (some(ctx, 1, submitted_by=each)[0] for each in callers)
    html = ask("shop", "GET", f"/jobs/{own}", page=True).text
    assert find_neighbours(html) == (newer, older)


def test_input_images_are_shown_before_the_result(
    site: str, ctx: Context, settings: Settings
) -> None:
    source = stored(ctx)
    upload = add_upload(settings)
    urls = (source, upload.id, "https://images.example:8443/a.png?x=1")
    provider = {"provider": "kie", "params": {"model": "seedream/4.5-edit"}}
    job_id = queued(ctx, **{**EDIT, **provider}, image_urls=urls)
    html = get(f"{site}/jobs/{job_id}")
    assert f'<img src="/v1/jobs/{source}/images/0" alt="Before: the image of a job' in html
    assert f'<a href="/jobs/{source}">the image of a job</a>' in html
    (shown,) = re.findall(r'<img src="(/jobs/\w+/inputs/1)"', html)
    answer = requests.get(site + shown, timeout=30)
    assert (answer.content, answer.headers["Content-Type"]) == (PNG, "image/png")
    Uploads(ctx.store.redis).remove(upload)
    for place in (0, 1, 2, 3, -1):
        get(f"{site}/jobs/{job_id}/inputs/{place}", 404)


def test_image_of_another_site_is_loaded_only_on_request(site: str, ctx: Context) -> None:
    job_id = queued(ctx, **EDIT, image_urls=["https://images.example:8443/a.png?x=1"])
    hidden = requests.get(f"{site}/jobs/{job_id}", timeout=30)
    assert 'src="https' not in hidden.text
    assert "Show the image from images.example:8443" in hidden.text
    assert "images.example" not in hidden.headers["Content-Security-Policy"]
    shown = requests.get(f"{site}/jobs/{job_id}?inputs=shown", timeout=30)
    assert '<img src="https://images.example:8443/a.png?x=1" alt="Before' in shown.text
    assert 'referrerpolicy="no-referrer"' in shown.text
    policy = shown.headers["Content-Security-Policy"]
    assert "img-src 'self' https://images.example:8443;" in policy
    assert policy.count("images.example") == 1


def test_input_of_a_foreign_job_is_not_found(ask: Ask, ctx: Context, settings: Settings) -> None:
    upload = add_upload(settings)
    job_id = queued(ctx, submitted_by="other", **EDIT, image_urls=[upload.id])
    for caller, status in (("other", 200), ("shop", 404)):
        assert ask(caller, "GET", f"/jobs/{job_id}/inputs/0", page=True).status_code == status


def add_upload(settings: Settings) -> Upload:
    images = LocalClient(settings).input_images
    with images.storage.temporary() as file:
        file.write(PNG)
        return images.add(file, "other")


def test_durations_are_drawn_in_proportion(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    for state, seconds in ((State.SUBMITTING, 10), (State.WAITING, 0), (State.FAILED, 30)):
        ctx.now.advance(seconds)  # type: ignore[attr-defined]
        move(ctx, job_id, state)
    ctx.now.advance(99)  # type: ignore[attr-defined]
    bars = [step.bar for step in build_timeline(ctx.store.get(job_id), ctx.now())]
    assert bars == [Bar(0, 25), Bar(25, 0.5), Bar(25, 75), None]
    assert '<rect x="25.0%" width="75.0%"' in get(f"{site}/jobs/{job_id}")


def test_present_state_is_drawn_up_to_now(ctx: Context) -> None:
    job_id = queued(ctx)
    for seconds in (0, 10):
        ctx.now.advance(seconds)  # type: ignore[attr-defined]
    move(ctx, job_id, State.SUBMITTING)
    job, now = ctx.store.get(job_id), ctx.now()
    bars = [step.bar for step in build_timeline(job, add_seconds(now, 30))]
    assert bars == [Bar(0, 25), Bar(25, 75)]
    # The clock of this host may be behind.
    assert build_timeline(job, add_seconds(now, -60))[-1].bar == Bar(99.5, 0.5)


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTING])
def test_times_are_utc_until_the_browser_knows_better(
    site: str, ctx: Context, state: State
) -> None:
    job_id = queued(ctx, not_before=add_seconds(utc_now(), 7200))
    move(ctx, job_id, state) if state is not State.QUEUED else None
    times = re.findall(
        r'<time datetime="[^"]*" title="([^"]*)" data-local>([^<]*)</time>',
        get(f"{site}/jobs/{job_id}"),
    )
    assert len(times) == 2 + (state is not State.QUEUED)
    assert all(title == text and text.endswith(" UTC") for title, text in times)
