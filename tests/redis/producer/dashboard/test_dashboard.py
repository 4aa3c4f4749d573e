"""The dashboard's list as the server sends it: content, escaping, filters and errors."""

import re

import pytest
import requests

from imagequeue.jobs.job import JobError, Reason, State
from imagequeue.producer.dashboard import search
from imagequeue.producer.dashboard.assets import ASSETS, asset_url
from imagequeue.store.history import reader
from imagequeue.worker.context import Context
from support.dashboard import SCRIPT, cards, get, saved, some
from support.jobs import move, queued

PROVIDERS = ("kie-flux-kontext", "kie-midjourney", "acedata-flux")


def test_list_shows_jobs_newest_first(site: str, ctx: Context) -> None:
    ids = some(ctx, 3, prompt="a lighthouse")
    html = get(f"{site}/")
    assert cards(html) == ids
    for words in (">queued</span>", "a lighthouse", "kie-flux-kontext", "<time datetime="):
        assert html.count(words) >= 3, words
    assert get(f"{site}/jobs/{ids[0]}/card").strip() in html


def test_empty_list_and_empty_search_say_what_to_do(
    site: str,
) -> None:
    assert "imagequeue submit" in get(f"{site}/")
    html = get(f"{site}/", params={"q": "unicorn"})
    assert "unicorn" in html
    assert "Show all jobs" in html
    assert "imagequeue submit" not in html


def test_foreign_markup_is_escaped(site: str, ctx: Context) -> None:
    job_id = queued(ctx, prompt=f"a cat {SCRIPT}", metadata={SCRIPT: [f'"{SCRIPT}']})
    error = JobError(reason=Reason.PROVIDER, code=SCRIPT, message=f"'{SCRIPT}")
    move(ctx, job_id, State.SUBMITTING, State.FAILED, error=error)
    pages = [
        get(f"{site}/", params={"q": SCRIPT}),
        get(f"{site}/jobs/{job_id}"),
        get(f"{site}/jobs/{job_id}/card"),
        get(f"{site}/", 400, params={"state": SCRIPT}),
        get(f"{site}/jobs/{SCRIPT.replace('/', '')}", 404),
    ]
    for html in pages:
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
    assert pages[1].count("&lt;script&gt;alert(1)") >= 5


def test_card_shows_a_thumbnail_or_the_word_video(site: str, ctx: Context) -> None:
    still, moving = some(ctx, 2, prompt='a "cat"')
    saved(ctx, still, "image/png")
    saved(ctx, moving, "video/mp4")
    html = get(f"{site}/jobs/{still}/card")
    (tag,) = re.findall(r"<img [^>]*>", html)
    assert f'src="/v1/jobs/{still}/images/0/thumbnail" width="320" height="160"' in tag
    assert 'alt="a &#34;cat&#34;" loading="lazy"' in tag
    assert f'<a href="/v1/jobs/{still}/images/0" data-view="{still}/0"' in get(
        f"{site}/jobs/{still}"
    )
    html = get(f"{site}/jobs/{moving}/card")
    assert "<img" not in html
    assert " video</span>" in html
    assert f'data-view="{moving}/0/video"' in html
    assert f'<video src="/v1/jobs/{moving}/images/0" controls' in get(f"{site}/jobs/{moving}")


def test_filters_combine_and_counts_are_per_state(site: str, ctx: Context) -> None:
    ids = [some(ctx, 1, provider=provider)[0] for provider in PROVIDERS]
    move(ctx, ids[2], State.SUBMITTING)
    html = get(f"{site}/")
    counts = dict(re.findall(r'>(\w+) <span class="count">(\d+)<', html))
    assert counts == {"all": "3", "queued": "2", "submitting": "1"}
    html = get(f"{site}/", params={"state": "queued", "provider": PROVIDERS[1]})
    assert cards(html) == [ids[1]]
    assert 'class="count"' not in html
    assert f'href="/?state=queued&amp;provider={PROVIDERS[0]}"' in html
    assert f'href="/?state=submitting&amp;provider={PROVIDERS[1]}"' in html
    assert html.count('aria-current="true"') == 2
    assert "there are queued, submitting" in get(f"{site}/", 400, params={"state": "lost"})
    assert "known: kie, kie-flux-kontext" in get(f"{site}/", 400, params={"provider": "dall-e"})


@pytest.mark.parametrize("q", ["BÄR", "rot bär", "  order-77 ", "{id}"])
def test_search_covers_prompt_id_and_metadata(site: str, ctx: Context, q: str) -> None:
    wanted = queued(ctx, prompt="Ein Bär, rot", metadata={"note": {"deep": "Order-77"}})
    some(ctx, 2, prompt="rot")
    html = get(f"{site}/", params={"q": q.format(id=wanted[-8:])})
    assert cards(html) == [wanted]
    card = get(f"{site}/jobs/{wanted}/card", params={"q": q.format(id=wanted[-8:])})
    assert card.strip() in html


def test_card_is_empty_if_the_filters_exclude_it(site: str, ctx: Context) -> None:
    job_id = queued(ctx, prompt="a cat")
    for filters in ({"q": "dog"}, {"state": "failed"}, {"provider": "acedata-flux"}):
        assert get(f"{site}/jobs/{job_id}/card", 204, params=filters) == ""
    assert cards(get(f"{site}/jobs/{job_id}/card", params={"state": "queued"})) == [job_id]


def test_pages_follow_without_a_gap(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SHOWN", 4)
    ids = some(ctx, 9)
    for query in ("/", "/?q=image", "/?state=queued&provider=kie-flux-kontext"):
        assert _walked(site, query) == [ids[:4], ids[4:8], ids[8:]], query


def _walked(site: str, url: str) -> list[list[str]]:
    pages = []
    while url:
        html = get(site + url.replace("&amp;", "&"))
        pages.append(cards(html))
        (url,) = re.findall(r'id="older" class="button" href="([^"]*)"(?! hidden)', html) or [""]
    return pages


def test_long_search_stops_and_continues_on_request(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (search, reader):
        monkeypatch.setattr(module, "MAX_MISMATCHES", 3)
    monkeypatch.setattr(search, "MAX_READ", 6)
    rare = queued(ctx, prompt="a unicorn")
    some(ctx, 8)
    html = get(f"{site}/", params={"q": "unicorn"})
    assert (cards(html), "older jobs were not searched" in html) == ([], True)
    assert "Search older jobs" in html
    assert "No job matches so far" in html
    assert _walked(site, "/?q=unicorn") == [[], [rare]]


def test_errors_are_pages(site: str) -> None:
    unknown = get(f"{site}/jobs/job_1", 404)
    assert ("<main" in unknown, "no job job_1" in unknown) == (True, True)
    assert "q: String should have at most 200" in get(f"{site}/", 422, params={"q": "x" * 201})
    long = requests.post(f"{site}/jobs/job_1/retry", data={"x": "y" * 9000}, timeout=30)
    assert (long.status_code, "too long" in long.text) == (413, True)
    elsewhere = get(f"{site}/", 403, headers={"X-Forwarded-For": "203.0.113.9"})
    assert "imagequeue keys add" in elsewhere


def test_every_page_allows_only_own_content(site: str, ctx: Context) -> None:
    for path in ("/", f"/jobs/{queued(ctx)}", "/jobs/job_1", "/?state=lost"):
        answer = requests.get(site + path, timeout=30)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert re.findall(r' style="| on\w+="|<style|<script(?! src="/static)', answer.text) == []
        assert {urls[0] for urls in re.findall(r'(?:src|href)="([^"]*)', answer.text)} <= {"/", "#"}


def test_assets_are_immutable_under_a_digest_url(site: str) -> None:
    own = {"dashboard.css", "docs.js", "icon.svg"}
    own |= {"page.js", "lightbox.js", "live.js", "select.js", "batch.js"}
    assert set(ASSETS) == own | {"swagger-ui.css", "swagger-ui-bundle.js"}
    for name in ASSETS:
        answer = requests.get(site + asset_url(name), timeout=30)
        assert (answer.status_code, answer.content) == (200, ASSETS[name].content)
        assert "immutable" in answer.headers["Cache-Control"]
    assert requests.get(f"{site}/static/0/dashboard.css", timeout=30).status_code == 404
    assert requests.get(f"{site}/static/0/routes.py", timeout=30).status_code == 404
