"""The page of pictures in a real browser: it stays true without a reload, and with a keyboard."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from conftest import Start
from playwright.sync_api import Browser, Page, expect

from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import Job, State, add_seconds, utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.producer.client import Client
from imagequeue.producer.local.ports import free_port
from imagequeue.worker.context import Context
from support.asgi import serving
from support.chromium import chromium, tab
from support.jobs import move, queued
from support.processes import WORKER, Process, answers, eventually

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
# For a machine that has other things to do; whatever is waited for comes at once on an idle one.
expect.set_options(timeout=30_000)

Tab = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def overrides(overrides: dict[str, str], sandbox_url: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": sandbox_url,
        "acedata_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "poll_countdowns": "0.5,1,2",
        "sweep_every_s": "0.1",
    }


@pytest.fixture
def site(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as url:
        yield url


@pytest.fixture
def new_tab(browser: Browser) -> Tab:
    return partial(tab, browser)


def submit(site: str, prompt: str, **headers: str) -> str:
    request = {"provider": "acedata-flux", "prompt": prompt, "delivery": "poll"}
    answer = requests.post(f"{site}/v1/jobs", json=request, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def is_drawn(page: Page, selector: str) -> bool:
    return bool(page.locator(selector).evaluate("image => image.complete && image.naturalWidth"))


def live(page: Page, url: str) -> None:
    """Open a page, and mark it: a reload would lose the mark."""
    page.goto(url)
    expect(page.locator("#stream")).to_have_text("live")
    page.evaluate("window.marked = true")


def was_not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.marked === true"))


def test_a_picture_appears_by_itself_and_opens_in_full(
    start: Start, site: str, new_tab: Tab
) -> None:
    start(*WORKER)
    with new_tab() as page:
        live(page, site)
        expect(page.locator("#empty")).to_be_visible()
        job_id = submit(site, f"a cat {SCRIPT}")
        card = page.locator(f"#{job_id}")
        expect(card.locator(".state")).to_have_text("succeeded")
        expect(card.locator("h2")).to_have_text(f"a cat {SCRIPT}")
        expect(page.locator("#empty")).to_be_hidden()
        expect(page.locator("#chips")).to_contain_text("succeeded 1")
        expect(page.locator("#news")).to_have_text(f"a cat {SCRIPT}: succeeded")
        eventually(lambda: is_drawn(page, f"#{job_id} img"))
        assert was_not_reloaded(page)
        card.get_by_role("link").click()
        page.get_by_role("link", name="Picture 1, in full").click()
        page.wait_for_url(f"{site}/v1/jobs/{job_id}/images/0")
        eventually(lambda: is_drawn(page, "img"))


def test_a_queued_job_is_cancelled_and_the_other_tab_sees_it(
    site: str, ctx: Context, new_tab: Tab
) -> None:
    job_id = queued(ctx)
    with new_tab() as list_, new_tab() as page:
        live(list_, site)
        page.goto(f"{site}/jobs/{job_id}")
        expect(page.locator("#cancel-cost")).to_have_text("Nothing was sent yet: free of charge.")
        page.get_by_role("button", name="Cancel this job").click()
        expect(page.get_by_text("The job was cancelled.")).to_be_visible()
        expect(list_.locator(f"#{job_id} .state")).to_have_text("cancelled")
        assert was_not_reloaded(list_)


def test_an_unsaved_picture_is_saved_again(
    start: Start, site: str, ctx: Context, new_tab: Tab
) -> None:
    start(*(part.replace(",download", "") for part in WORKER))
    job_id = submit(site, "a cat")
    with new_tab() as page:
        live(page, f"{site}/jobs/{job_id}")
        state = page.locator("#job > .line .state")
        expect(state).to_have_text("downloading")
        ctx.store.transition(ctx.store.get(job_id), unsaved)
        expect(state).to_have_text("unsaved")
        assert was_not_reloaded(page)
        start(*WORKER)
        page.get_by_role("button", name="Save again").click()
        expect(state).to_have_text("succeeded")
        eventually(lambda: is_drawn(page, ".pictures img"))
        assert "done=" not in page.url


def unsaved(job: Job) -> Job:
    """The job as if saving its pictures had failed for good."""
    images = tuple(image.model_copy(update={"state": "expired"}) for image in job.images)
    return job.transition_to(
        State.UNSAVED, "test", utc_now(), add_seconds(utc_now(), 3600), images=images
    )


def test_a_failed_job_is_not_sent_again_before_paying_is_ticked(
    site: str, ctx: Context, new_tab: Tab
) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING, State.FAILED)
    with new_tab() as page:
        page.goto(f"{site}/jobs/{job_id}")
        again = page.get_by_role("button", name="Send again")
        again.click()
        assert page.eval_on_selector("#pay-again", "box => box.validity.valueMissing")
        assert ctx.store.get(job_id).state is State.FAILED
        page.get_by_label("Pay again").check()
        again.click()
        expect(page.locator("#job > .line .state")).to_have_text("queued")


def test_a_keyboard_leads_to_a_job_and_its_button(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab() as page:
        live(page, site)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        tab_to(page, f"#{job_id} a")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/jobs/{job_id}")
        tab_to(page, "#cancel")
        assert page.eval_on_selector("#cancel", "button => getComputedStyle(button).outlineWidth")
        page.keyboard.press("Enter")
        expect(page.get_by_text("The job was cancelled.")).to_be_visible()


def tab_to(page: Page, selector: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"no Tab leads to {selector}")


def test_the_focus_stays_where_it_was_when_its_card_changes(
    site: str, ctx: Context, new_tab: Tab
) -> None:
    job_id = queued(ctx)
    with new_tab() as page:
        live(page, site)
        page.locator(f"#{job_id} a").focus()
        move(ctx, job_id, State.SUBMITTING)
        expect(page.locator(f"#{job_id} .state")).to_have_text("submitting")
        expect(page.locator(f"#{job_id} a")).to_be_focused()


def test_a_filtered_page_shows_what_a_reload_would(site: str, ctx: Context, new_tab: Tab) -> None:
    cat, dog = (queued(ctx, prompt=prompt) for prompt in ("a cat", "a dog"))
    with new_tab() as page:
        live(page, f"{site}/?state=submitting&q=cat")
        expect(page.locator(".card")).to_have_count(0)
        for job_id in (dog, cat):
            move(ctx, job_id, State.SUBMITTING)
        expect(page.locator(".card")).to_have_count(1)
        expect(page.locator(".card h2")).to_have_text("a cat")
        move(ctx, cat, State.WAITING)
        expect(page.locator(".card")).to_have_count(0)
        expect(page.locator("#empty")).to_be_visible()


def test_many_changes_at_once_cost_few_requests_and_are_all_shown(
    site: str, settings: Settings, new_tab: Tab
) -> None:
    client = Client(settings)
    with new_tab() as page:
        live(page, site)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        requests_ = [{"provider": "acedata-flux", "prompt": f"picture {n}"} for n in range(60)]
        jobs = client.submit_many(requests_)
        expect(page.locator("#chips")).to_contain_text("queued 60")
        newest = sorted((job.id for job in jobs), reverse=True)[:48]
        expect(page.locator(".card")).to_have_count(48)
        assert page.eval_on_selector_all(".card", "all => all.map(card => card.id)") == newest
        assert len(asked) < 12, asked
        older = page.locator("#older")
        older.click()
        expect(page.locator(".card")).to_have_count(12)


def test_new_jobs_push_the_oldest_to_the_next_page(
    site: str, settings: Settings, new_tab: Tab
) -> None:
    client = Client(settings)
    client.submit_many([{"provider": "acedata-flux", "prompt": str(n)} for n in range(48)])
    with new_tab() as page:
        live(page, site)
        expect(page.locator("#older")).to_be_hidden()
        first = client.submit("acedata-flux", "one more")
        expect(page.locator(".card").first).to_have_attribute("id", first.id)
        expect(page.locator(".card")).to_have_count(48)
        page.locator("#older").click()
        expect(page.locator(".card h2")).to_have_text(["0"])


def test_what_was_missed_while_the_server_was_away_is_caught_up(
    start: Start, ctx: Context, new_tab: Tab
) -> None:
    port = free_port()
    server = serve(start, port)
    job_id = queued(ctx)
    # What the browser calls it depends on what was under way when the server died.
    with new_tab("net::ERR_") as page:
        live(page, f"http://127.0.0.1:{port}")
        server.kill()
        expect(page.locator("#stream")).to_have_text("connecting …")
        move(ctx, job_id, State.SUBMITTING)
        new = queued(ctx, prompt="meanwhile")
        serve(start, port)
        expect(page.locator(f"#{job_id} .state")).to_have_text("submitting")
        expect(page.locator(f"#{new} h2")).to_have_text("meanwhile")
        assert was_not_reloaded(page)


def test_a_stream_that_is_refused_is_asked_for_again(site: str, ctx: Context, new_tab: Tab) -> None:
    with new_tab("503") as page:
        page.route("**/v1/events", lambda route: route.fulfill(status=503), times=1)
        page.goto(site)
        expect(page.locator("#stream")).to_have_text("connecting …")
        job_id = queued(ctx)
        expect(page.locator(f"#{job_id}")).to_be_visible()
        expect(page.locator("#stream")).to_have_text("live")


def serve(start: Start, port: int) -> Process:
    process = start("uvicorn", "imagequeue.producer.api:app", "--port", str(port))
    eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
    return process


def test_a_hidden_tab_rests_and_catches_up_when_it_is_seen(
    site: str, ctx: Context, new_tab: Tab
) -> None:
    job_id = queued(ctx)
    with new_tab() as page, new_tab() as witness:
        live(page, site)
        live(witness, site)
        hide(page, True)
        assert page.evaluate("source.readyState === EventSource.CLOSED")
        move(ctx, job_id, State.SUBMITTING)
        expect(witness.locator(f"#{job_id} .state")).to_have_text("submitting")
        expect(page.locator(f"#{job_id} .state")).to_have_text("queued")
        hide(page, False)
        expect(page.locator(f"#{job_id} .state")).to_have_text("submitting")


def hide(page: Page, hidden: bool) -> None:
    """What a browser does to a tab in the background; one without a window has none."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_key_opens_the_page_and_all_that_is_on_it(
    start: Start, overrides: dict[str, str], new_tab: Tab
) -> None:
    start(*WORKER)
    with (
        serving(create_app(read_settings(**overrides, api_keys="key-one"))) as site,
        new_tab("401") as page,
    ):
        page.goto(site)
        page.get_by_label("API key").fill("nobody's")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("No such key is known here.")
        page.get_by_label("API key").fill("key-one")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#stream")).to_have_text("live")
        job_id = submit(site, "a cat", Authorization="Bearer key-one")
        expect(page.locator(f"#{job_id} .state")).to_have_text("succeeded")
        eventually(lambda: is_drawn(page, f"#{job_id} img"))
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("API key")).to_be_visible()


def test_without_javascript_the_buttons_work(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab(java_script_enabled=False) as page:
        page.goto(site)
        page.get_by_role("link", name="a cat").click()
        page.get_by_role("button", name="Cancel this job").click()
        expect(page.get_by_text("The job was cancelled.")).to_be_visible()
    assert ctx.store.get(job_id).state is State.CANCELLED


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(
    site: str, ctx: Context, new_tab: Tab, color_scheme: str
) -> None:
    upscale = {"task_id": "task-1", "image_index": 1}
    ids = [
        *(queued(ctx, prompt=prompt) for prompt in ("a cat", "x" * 300)),
        queued(ctx, provider="kie-midjourney", action="upscale", prompt="", params=upscale),
    ]
    move(ctx, ids[1], State.SUBMITTING, State.FAILED)
    phone = {"width": 360, "height": 740}
    with new_tab("404|401", viewport=phone, color_scheme=color_scheme) as page:
        for path in ("/", *(f"/jobs/{job_id}" for job_id in ids), "/jobs/none", "/?q=unicorn"):
            page.goto(site + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"], path
            found = Axe().run(page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], path
