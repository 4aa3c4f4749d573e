"""The dashboard's buttons, keyboard, login and accessibility in a real browser."""

import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from conftest import Start
from playwright.sync_api import Page, expect

from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import Job, State, add_seconds, utc_now
from imagequeue.store.callers.sessions import Sessions
from imagequeue.worker.context import Context
from support.dashboard import beat
from support.dashboard_browser import Tab, is_drawn, open_live, submit, was_not_reloaded
from support.images import stored
from support.jobs import move, queued
from support.processes import WORKER, eventually

FORM = "/new?kind=kie-flux-kontext/edit/"


def test_cancel_shows_in_another_tab(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab() as list_, new_tab() as page:
        open_live(list_, site)
        page.goto(f"{site}/jobs/{job_id}")
        expect(page.locator("#cancel-cost")).to_have_text("Nothing was sent yet: free of charge.")
        page.get_by_role("button", name="Cancel this job").click()
        expect(page.get_by_text("The job was cancelled.")).to_be_visible()
        expect(list_.locator(f"#{job_id} .state")).to_have_text("cancelled")
        assert was_not_reloaded(list_)


def test_unsaved_image_is_downloaded_again(
    start: Start, site: str, ctx: Context, new_tab: Tab
) -> None:
    start(*(part.replace(",download", "") for part in WORKER))
    job_id = submit(site, "a cat")
    with new_tab() as page:
        open_live(page, f"{site}/jobs/{job_id}")
        state = page.locator("#job .line .state")
        expect(state).to_have_text("downloading")
        ctx.store.transition(ctx.store.get(job_id), unsaved)
        expect(state).to_have_text("unsaved")
        assert was_not_reloaded(page)
        start(*WORKER)
        page.get_by_role("button", name="Download again").click()
        expect(state).to_have_text("succeeded")
        eventually(lambda: is_drawn(page, ".images img"))
        assert "done=" not in page.url


def unsaved(job: Job) -> Job:
    """Mark the job as if saving its images had failed for good."""
    images = tuple(image.model_copy(update={"state": "expired"}) for image in job.images)
    return job.transition_to(
        State.UNSAVED, "test", utc_now(), add_seconds(utc_now(), 3600), images=images
    )


def test_failed_job_needs_the_pay_again_tick(site: str, ctx: Context, new_tab: Tab) -> None:
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
        expect(page.locator("#job .line .state")).to_have_text("queued")


def test_keyboard_reaches_a_job_and_its_button(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab() as page:
        open_live(page, site)
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


def test_lightbox_leads_through_the_images(site: str, ctx: Context, new_tab: Tab) -> None:
    _, older, newer = (stored(ctx) for _ in range(3))
    beat(ctx)
    clipboard = ["clipboard-read", "clipboard-write"]
    with new_tab(has_touch=True, permissions=clipboard) as page:
        open_live(page, f"{site}/?state=downloading")
        box = page.get_by_role("dialog")
        opener = page.locator(f"#{newer}").get_by_role("button", name="Enlarge: a cat")
        opener.focus()
        page.keyboard.press("Enter")
        expect(box).to_contain_text("1 of 3")
        eventually(lambda: is_drawn(page, "#lightbox img"))
        assert find_violations(page) == []
        page.keyboard.press("ArrowRight")
        expect(box.locator("img")).to_have_attribute("src", f"/v1/jobs/{older}/images/0")
        for step, place in (("Next", 3), ("Previous", 2)):
            box.get_by_role("button", name=f"{step} image").click()
            expect(box).to_contain_text(f"{place} of 3")
        page.keyboard.press("ArrowLeft")
        for moves, place in (((200, 300), 3), ((300, 200), 1), ((200, 210), 1)):
            swipe(page, *moves)
            expect(box).to_contain_text(f"{place} of 3")
        box.get_by_role("button", name="Copy link").click()
        expect(box.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == f"{site}/jobs/{newer}"
        with page.expect_download() as saved:
            box.get_by_role("link", name="Download").click()
        assert saved.value.suggested_filename == f"a-cat-{newer}-0.png"
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        expect(opener).to_be_focused()


def swipe(page: Page, start: int, end: int) -> None:
    """Move a finger over the open image, from one x to another."""
    page.eval_on_selector(
        "#lightbox .stage",
        """(stage, places) => {
            const at = (x) => new Touch({ identifier: 1, target: stage, clientX: x, clientY: 300 });
            const [start, end] = places.map(at);
            const fire = (name, touches, changedTouches) => stage.dispatchEvent(
                new TouchEvent(name, { bubbles: true, touches, changedTouches }));
            fire("touchstart", [start], [start]);
            fire("touchend", [], [end]);
        }""",
        [start, end],
    )


def test_input_is_laid_over_the_result(site: str, ctx: Context, new_tab: Tab) -> None:
    source, job_id = stored(ctx), stored(ctx)
    job = ctx.store.get(job_id)
    ctx.store.transition(job, lambda job: job.evolve(job.wake_at, image_urls=(source,)))
    with new_tab(timezone_id="Asia/Tokyo", locale="en-GB") as page:
        page.goto(f"{site}/jobs/{job_id}")
        accepted = page.locator(".timeline time[data-local]").first
        local = job.created_at.astimezone(ZoneInfo("Asia/Tokyo"))
        expect(accepted).to_contain_text(f"{local:%H:%M:%S}")
        expect(accepted).to_have_attribute("title", f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC")
        button = page.get_by_role("button", name="Lay one over the other")
        button.click()
        page.get_by_role("slider").fill("20")
        clip = "inset(0px 80% 0px 0px)"
        expect(page.locator(".over-image")).to_have_css("clip-path", clip)
        assert find_violations(page) == []
        button.click()
        expect(page.get_by_role("slider")).to_have_count(0)


def test_login_opens_the_page_and_its_images(
    serve: Callable[[Settings], str], ctx: Context, overrides: dict[str, str], new_tab: Tab
) -> None:
    job_id = stored(ctx)
    move(ctx, job_id, State.SUCCEEDED)
    beat(ctx)
    site = serve(read_settings(**overrides, api_keys="key-one"))
    with new_tab("401") as page:
        page.goto(site)
        page.get_by_label("API key").fill("nobody's")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This API key is unknown.")
        page.get_by_label("API key").fill("key-one")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#stream")).to_have_text("live")
        expect(page.locator(f"#{job_id} .state")).to_have_text("succeeded")
        eventually(lambda: is_drawn(page, f"#{job_id} img"))
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("API key")).to_be_visible()


def test_buttons_work_without_javascript(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab(java_script_enabled=False) as page:
        page.goto(site)
        page.get_by_role("link", name="a cat").click()
        page.get_by_role("button", name="Cancel this job").click()
        expect(page.get_by_text("The job was cancelled.")).to_be_visible()
    assert ctx.store.get(job_id).state is State.CANCELLED


def test_page_of_every_job_is_accessible(site: str, ctx: Context, new_tab: Tab) -> None:
    upscale = {"task_id": "task-1", "image_index": 1}
    failed = queued(ctx, prompt="x" * 300)
    move(ctx, failed, State.SUBMITTING, State.FAILED)
    ids = [
        stored(ctx),
        failed,
        queued(ctx, action="edit", image_urls=["https://x.example/a.png"]),
        queued(ctx, provider="kie-midjourney", action="upscale", prompt="", params=upscale),
    ]
    check_pages(site, new_tab, "/jobs/none", *(f"/jobs/{job_id}" for job_id in ids))


def test_every_other_page_is_accessible(site: str, ctx: Context, new_tab: Tab) -> None:
    move(ctx, queued(ctx, prompt="x" * 300), State.SUBMITTING, State.FAILED)
    ctx.now.time = utc_now()  # type: ignore[attr-defined]
    move(ctx, queued(ctx), State.SUBMITTING, State.WAITING)
    request = {"provider": "acedata-flux", "prompt": "a cat"}
    answer = requests.post(f"{site}/v1/batches", json={"items": [request] * 3}, timeout=30)
    batch = answer.json()["id"]
    sessions = Sessions(ctx.store.redis, utc_now)
    sessions.start("a-long-name-of-a-service", key_hash="x", browser="Firefox on Linux")
    lists = ("/", "/?q=unicorn", "/bulk/retry?state=failed", "/batches", f"/batches/{batch}")
    check_pages(site, new_tab, *lists, "/costs", "/operations", "/sessions", FORM)


def check_pages(site: str, new_tab: Tab, *paths: str) -> None:
    """Check that pages break no rule of accessibility, and fit a phone."""
    phone = {"width": 360, "height": 740}
    with new_tab("404|401", viewport=phone, color_scheme="light") as page:
        for path in paths:
            page.goto(site + path)
            if path == "/":
                page.get_by_label("Select a cat").first.check()
                expect(page.locator("#selected")).to_have_text(re.compile("^1 selected"))
            assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"], path
            assert find_violations(page) == [], path
            # The same page in other colours: nothing else depends on the scheme.
            page.emulate_media(color_scheme="dark")
            assert find_violations(page, "color-contrast") == [], path
            page.emulate_media(color_scheme="light")


def find_violations(page: Page, *rules: str) -> list[tuple[str, str]]:
    """Return what breaks the rules of accessibility, by default all of them."""
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = Axe().run(page, options=options).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]
