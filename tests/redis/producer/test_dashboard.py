"""The page of pictures, as the server sends it: what is shown, what is escaped, what is refused."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import Job, JobError, Reason, State
from imagequeue.producer.api.application import create_app
from imagequeue.producer.dashboard import search
from imagequeue.producer.dashboard.assets import ASSETS, asset_url
from imagequeue.worker.context import Context
from support.asgi import serving
from support.jobs import move, picture, queued

SCRIPT = "<script>alert(1)</script>"
PROVIDERS = ("kie-flux-kontext", "kie-midjourney", "acedata-flux")


@pytest.fixture
def site(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as url:
        yield url


def get(url: str, status: int = 200, **options: Any) -> str:
    answer = requests.get(url, timeout=30, **options)
    assert answer.status_code == status, answer.text
    return answer.text


def post(url: str, **fields: str) -> requests.Response:
    return requests.post(url, data=fields, timeout=30, allow_redirects=False)


def cards(html: str) -> list[str]:
    """The ids of the jobs on a page, as they stand there."""
    return re.findall(r'<li class="card" id="(\w+)"', html)


def some(ctx: Context, count: int, **fields: Any) -> list[str]:
    """So many jobs, newest first."""
    ids = []
    for n in range(count):
        ctx.now.advance(1)  # type: ignore[attr-defined]
        ids.append(queued(ctx, **{"prompt": f"picture {n}", **fields}))
    return ids[::-1]


def failed(ctx: Context, **error: str) -> str:
    job_id = queued(ctx)
    told = JobError(reason=Reason.PROVIDER, **error)
    move(ctx, job_id, State.SUBMITTING, State.FAILED, error=told)
    return job_id


def saved(ctx: Context, job_id: str, content_type: str) -> Job:
    image = picture(ctx, state="stored", uri="file:///x", content_type=content_type)
    image = image.model_copy(update={"width": 1600, "height": 800})
    states = (State.SUBMITTING, State.DOWNLOADING, State.SUCCEEDED)
    move(ctx, job_id, *states[:2], images=(image,))
    return move(ctx, job_id, states[2])


def test_jobs_stand_newest_first_with_state_provider_age_and_prompt(
    site: str, ctx: Context
) -> None:
    ids = some(ctx, 3, prompt="a lighthouse")
    html = get(f"{site}/")
    assert cards(html) == ids
    for words in (">queued</span>", "a lighthouse", "kie-flux-kontext", "<time datetime="):
        assert html.count(words) >= 3, words
    assert get(f"{site}/jobs/{ids[0]}/card").strip() in html


def test_an_empty_page_says_how_to_begin_and_a_search_without_result_how_to_go_on(
    site: str,
) -> None:
    assert "imagequeue submit" in get(f"{site}/")
    html = get(f"{site}/", params={"q": "unicorn"})
    assert "unicorn" in html
    assert "Show all jobs" in html
    assert "imagequeue submit" not in html


def test_what_comes_from_outside_is_shown_and_never_run(site: str, ctx: Context) -> None:
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


def test_a_picture_is_a_thumbnail_of_its_size_and_a_video_a_word(site: str, ctx: Context) -> None:
    still, moving = some(ctx, 2, prompt='a "cat"')
    saved(ctx, still, "image/png")
    saved(ctx, moving, "video/mp4")
    html = get(f"{site}/jobs/{still}/card")
    (tag,) = re.findall(r"<img [^>]*>", html)
    assert f'src="/v1/jobs/{still}/images/0/thumbnail" width="320" height="160"' in tag
    assert 'alt="a &#34;cat&#34;" loading="lazy"' in tag
    assert f'<a href="/v1/jobs/{still}/images/0"><img' in get(f"{site}/jobs/{still}")
    html = get(f"{site}/jobs/{moving}/card")
    assert "<img" not in html
    assert " video</span>" in html
    assert f'<video src="/v1/jobs/{moving}/images/0" controls' in get(f"{site}/jobs/{moving}")


def test_filters_keep_each_other_and_counts_are_of_states_alone(site: str, ctx: Context) -> None:
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
    assert "known: kie-flux-kontext" in get(f"{site}/", 400, params={"provider": "dall-e"})


@pytest.mark.parametrize("q", ["BÄR", "rot bär", "  order-77 ", "{id}"])
def test_a_search_looks_into_prompt_id_and_metadata(site: str, ctx: Context, q: str) -> None:
    wanted = queued(ctx, prompt="Ein Bär, rot", metadata={"note": {"deep": "Order-77"}})
    some(ctx, 2, prompt="rot")
    html = get(f"{site}/", params={"q": q.format(id=wanted[-8:])})
    assert cards(html) == [wanted]
    card = get(f"{site}/jobs/{wanted}/card", params={"q": q.format(id=wanted[-8:])})
    assert card.strip() in html


def test_a_card_is_sent_for_those_alone_who_look_for_it(site: str, ctx: Context) -> None:
    job_id = queued(ctx, prompt="a cat")
    for filters in ({"q": "dog"}, {"state": "failed"}, {"provider": "acedata-flux"}):
        assert get(f"{site}/jobs/{job_id}/card", 204, params=filters) == ""
    assert cards(get(f"{site}/jobs/{job_id}/card", params={"state": "queued"})) == [job_id]


def test_pages_follow_each_other_without_a_gap(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SHOWN", 4)
    ids = some(ctx, 9)
    for query in ("/", "/?q=picture", "/?state=queued&provider=kie-flux-kontext"):
        assert _walked(site, query) == [ids[:4], ids[4:8], ids[8:]], query


def _walked(site: str, url: str) -> list[list[str]]:
    pages = []
    while url:
        html = get(site + url.replace("&amp;", "&"))
        pages.append(cards(html))
        (url,) = re.findall(r'id="older" class="button" href="([^"]*)"(?! hidden)', html) or [""]
    return pages


def test_a_search_breaks_off_says_so_and_goes_on_where_it_stopped(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "STEP", 3)
    monkeypatch.setattr(search, "MAX_READ", 6)
    rare = queued(ctx, prompt="a unicorn")
    some(ctx, 8)
    html = get(f"{site}/", params={"q": "unicorn"})
    assert (cards(html), "older ones were not looked at" in html) == ([], True)
    assert "Search further back" in html
    assert "No job fits so far" in html
    assert _walked(site, "/?q=unicorn") == [[], [rare]]


def test_the_page_of_a_job_tells_all_that_is_known(site: str, ctx: Context) -> None:
    job_id = queued(
        ctx,
        prompt="a long prompt " * 20,
        params={"aspect_ratio": "16:9"},
        metadata={"order": 7},
    )
    error = JobError(reason=Reason.POLICY, code="400", message="not this one")
    fields = {"error": error, "task_id": "task-9", "batch": "batch_1", "submitted_by": "shop"}
    move(ctx, job_id, State.SUBMITTING, State.FAILED, **fields)
    html = get(f"{site}/jobs/{job_id}")
    for words in (
        ("a long prompt " * 20).strip(),
        *("aspect_ratio", "16:9", "order", "task-9", "batch_1", "shop", job_id),
        *("policy", "400", "not this one", "submitting</span> <span>test</span>"),
    ):
        assert words in html, words


@pytest.mark.parametrize(
    ("states", "cost"),
    [
        ((), "Nothing was sent yet: free of charge."),
        ((State.SUBMITTING, State.WAITING), "The provider has it: the charge stands"),
        ((State.SUBMITTING, State.UNCONFIRMED), "It may have been sent: the charge may stand"),
    ],
)
def test_a_cancel_says_its_cost_before_it_is_done(
    site: str, ctx: Context, states: tuple[State, ...], cost: str
) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, *states) if states else None
    html = get(f"{site}/jobs/{job_id}")
    assert cost in html
    (seen,) = re.findall(r'name="seen" value="(\w+)"', html)
    answer = post(f"{site}/jobs/{job_id}/cancel", seen=seen)
    where = answer.headers["Location"]
    assert (answer.status_code, where) == (303, f"/jobs/{job_id}?done=cancelled")
    assert ctx.store.get(job_id).state is State.CANCELLED
    html = get(site + where)
    assert "The job was cancelled." in html
    assert "<form" not in html


def test_a_cancel_that_was_said_to_be_free_is_refused_once_it_is_not(
    site: str, ctx: Context
) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING, State.WAITING)
    answer = post(f"{site}/jobs/{job_id}/cancel", seen="queued")
    assert (answer.status_code, "it has become waiting since" in answer.text) == (409, True)
    assert "the charge stands" in answer.text
    assert ctx.store.get(job_id).state is State.WAITING


def test_a_refused_move_says_why(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    for move_ in ("retry", "cancel", "cancel"):
        answer = post(f"{site}/jobs/{job_id}/{move_}", pay_again="yes")
    assert (answer.status_code, "Refused: " in answer.text) == (409, True)
    assert f"{job_id} is cancelled" in answer.text
    assert post(f"{site}/jobs/job_1/cancel").status_code == 404


def test_a_failed_job_is_paid_again_only_by_whoever_ticks_that(site: str, ctx: Context) -> None:
    job_id = failed(ctx)
    html = get(f"{site}/jobs/{job_id}")
    assert 'name="pay_again" value="yes" required>' in html
    assert "charges for it again" in html
    for fields in ({}, {"pay_again": "no"}):
        answer = post(f"{site}/jobs/{job_id}/retry", **fields)
        assert (answer.status_code, "a retry pays again" in answer.text) == (409, True)
    assert ctx.store.get(job_id).state is State.FAILED
    assert post(f"{site}/jobs/{job_id}/retry", pay_again="yes").status_code == 303
    assert ctx.store.get(job_id).state is State.QUEUED


def test_saving_again_asks_for_nothing(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    states = (State.SUBMITTING, State.DOWNLOADING, State.UNSAVED)
    move(ctx, job_id, *states, images=(picture(ctx, state="expired"),))
    html = get(f"{site}/jobs/{job_id}")
    assert ("free of charge" in html, "pay_again" in html) == (True, False)
    answer = post(f"{site}/jobs/{job_id}/retry")
    assert "under way again" in get(site + answer.headers["Location"])
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_words_in_a_url_are_not_shown_as_ours(site: str, ctx: Context) -> None:
    assert "pay me" not in get(f"{site}/jobs/{queued(ctx)}", params={"done": "pay me"})


def test_another_site_s_form_changes_nothing(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        url = f"{site}/jobs/{job_id}/cancel"
        answer = requests.post(url, headers=headers, timeout=30)
        assert (answer.status_code, "another site" in answer.text) == (403, True)
        assert answer.headers["Content-Type"].startswith("text/html")
    assert ctx.store.get(job_id).state is State.QUEUED


def test_errors_are_pages(site: str) -> None:
    unknown = get(f"{site}/jobs/job_1", 404)
    assert ("<main" in unknown, "no job job_1" in unknown) == (True, True)
    assert "q: String should have at most 200" in get(f"{site}/", 422, params={"q": "x" * 201})
    long = requests.post(f"{site}/jobs/job_1/retry", data={"x": "y" * 9000}, timeout=30)
    assert (long.status_code, "too long" in long.text) == (413, True)
    elsewhere = get(f"{site}/", 403, headers={"X-Forwarded-For": "203.0.113.9"})
    assert "imagequeue keys add" in elsewhere


def test_every_page_forbids_what_is_not_ours(site: str, ctx: Context) -> None:
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


def test_files_are_kept_for_ever_under_a_url_of_their_bytes(site: str) -> None:
    assert set(ASSETS) == {"dashboard.css", "live.js", "icon.svg"}
    for name in ASSETS:
        answer = requests.get(site + asset_url(name), timeout=30)
        assert (answer.status_code, answer.content) == (200, ASSETS[name].content)
        assert "immutable" in answer.headers["Cache-Control"]
    assert requests.get(f"{site}/static/0/dashboard.css", timeout=30).status_code == 404
    assert requests.get(f"{site}/static/0/routes.py", timeout=30).status_code == 404


def test_the_page_is_no_part_of_the_api_s_document(settings: Settings) -> None:
    paths = create_app(settings).openapi()["paths"]
    assert [path for path in paths if not path.startswith(("/v1/", "/healthz", "/metrics"))] == []


def test_with_keys_the_page_asks_for_one_and_the_cookie_opens_it(
    overrides: dict[str, str], ctx: Context
) -> None:
    job_id = queued(ctx)
    with (
        serving(create_app(read_settings(**overrides, api_keys="key-one"))) as site,
        requests.Session() as browser,
    ):
        browser.headers["Origin"] = site
        form = browser.get(f"{site}/jobs/{job_id}?done=x", timeout=30)
        assert (form.status_code, job_id in form.text.partition("<main")[2]) == (401, True)
        assert f'name="way_back" value="/jobs/{job_id}?done=x"' in form.text
        assert "a cat" not in form.text
        for path in ("/", f"/jobs/{job_id}/card", "/chips"):
            assert browser.get(site + path, timeout=30).status_code == 401
        fields = {"key": "nobody's", "way_back": "/"}
        wrong = browser.post(f"{site}/login", data=fields, timeout=30)
        assert (wrong.status_code, "No such key" in wrong.text) == (401, True)
        assert not browser.cookies
        fields = {"key": " key-one ", "way_back": f"/jobs/{job_id}"}
        inside = browser.post(f"{site}/login", data=fields, timeout=30)
        assert (inside.status_code, inside.url) == (200, f"{site}/jobs/{job_id}")
        assert "a cat" in inside.text
        browser.post(f"{site}/jobs/{job_id}/cancel", timeout=30).raise_for_status()
        assert ctx.store.get(job_id).state is State.CANCELLED
        assert browser.post(f"{site}/logout", timeout=30).status_code == 401
        assert not browser.cookies


@pytest.mark.parametrize("way_back", ["//evil.example", "https://evil.example", "/\\evil", "x", ""])
def test_nobody_is_sent_to_another_site(overrides: dict[str, str], way_back: str) -> None:
    with serving(create_app(read_settings(**overrides, api_keys="key-one"))) as site:
        answer = requests.post(
            f"{site}/login",
            data={"key": "key-one", "way_back": way_back},
            headers={"Origin": site},
            timeout=30,
            allow_redirects=False,
        )
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()


def test_another_site_logs_nobody_in(overrides: dict[str, str]) -> None:
    with serving(create_app(read_settings(**overrides, api_keys="key-one"))) as site:
        answer = post(f"{site}/login", key="key-one")
        assert (answer.status_code, answer.cookies.get_dict()) == (403, {})
