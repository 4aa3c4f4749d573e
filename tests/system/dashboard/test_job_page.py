"""A job's page: its images, what happened when, what it cost, and what can be done next."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis
from playwright.sync_api import Page, expect

from imagequeue.jobs.delivery import Delivery
from imagequeue.jobs.job import Job, JobError, Reason, State
from imagequeue.producer.dashboard import state_text
from imagequeue.store.webhooks import keys as webhook_keys
from imagequeue.store.webhooks.deliveries import dump_delivery
from imagequeue.worker.context import Context
from support.dashboard_browser import (
    DESKTOP,
    Tab,
    check_page,
    is_drawn,
    open_live,
    was_not_reloaded,
)
from support.images import stored
from support.jobs import move, picture, queued
from support.processes import eventually

TOKYO = {"timezone_id": "Asia/Tokyo", "locale": "en-GB"}


def test_edit_is_shown_with_its_history_and_cost(
    site: str, ctx: Context, client: redis.Redis, new_tab: Tab, screen: dict[str, Any]
) -> None:
    job = add_edit(ctx)
    tried = Delivery(at=ctx.now(), webhook_id="w", event="job.succeeded", status=204, duration_ms=3)
    client.rpush(webhook_keys.deliveries(job.id), dump_delivery(tried))
    with new_tab(**screen, **TOKYO) as page:
        page.goto(f"{site}/jobs/{job.id}")
        expect(page.get_by_text(state_text.STATES[State.SUCCEEDED])).to_be_visible()
        expect(page.get_by_role("heading", name="Before and after")).to_be_visible()
        for image in ("Before: the image of a job", "Image 1, full size"):
            eventually(
                lambda image=image: page.get_by_alt_text(image).evaluate("i => i.naturalWidth")
            )
        for name, value in (("Cost", "$0.025"), ("aspect_ratio", "16:9"), ("Provider key", "main")):
            fact = page.locator(f"dt:text-is('{name}') + dd")
            expect(fact).to_contain_text(value)
        steps = page.locator(".timeline li")
        expect(steps).to_contain_text(
            ["queued", "submitting", "waiting", "downloading", "succeeded"]
        )
        expect(steps.nth(2)).to_contain_text("for 20 s")
        expect(page.get_by_text("25 s in all.")).to_be_visible()
        expect(page.get_by_text("HTTP 204, delivered, after 3 ms")).to_be_visible()
        check_times(page, job)
        slide_over(page)
        page.get_by_role("link", name="Image 1, full size").click()
        eventually(lambda: is_drawn(page, "#lightbox img"))
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Use as input").click()
        expect(page.get_by_text("Choose").first).to_be_attached()
        page.get_by_label("Provider and model").select_option("kie-flux-kontext/edit/")
        page.get_by_role("button", name="Choose").click()
        expect(page.get_by_label("Input images")).to_have_value(f"{job.id}/0")


def add_edit(ctx: Context) -> Job:
    """Add a job that has made an image from that of another one, in 25 seconds."""
    source, job_id = stored(ctx), stored(ctx)
    images = ctx.store.get(job_id).images
    edit = queued(
        ctx,
        action="edit",
        prompt="a hat",
        image_urls=[source],
        params={"aspect_ratio": "16:9"},
        webhook_url="https://shop.example/hook",
    )
    for state, seconds in ((State.SUBMITTING, 1), (State.WAITING, 1), (State.DOWNLOADING, 20)):
        ctx.now.advance(seconds)  # type: ignore[attr-defined]
        move(ctx, edit, state, images=images, account_key="main")
    ctx.now.advance(3)  # type: ignore[attr-defined]
    return move(ctx, edit, State.SUCCEEDED)


def check_times(page: Page, job: Job) -> None:
    """Check that times are those of the reader's place, with UTC in the title."""
    accepted = page.locator(".timeline time[data-local]").first
    local = job.created_at.astimezone(ZoneInfo("Asia/Tokyo"))
    expect(accepted).to_contain_text(f"{local:%H:%M:%S}")
    expect(accepted).to_have_attribute("title", f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC")


def slide_over(page: Page) -> None:
    """Lay the input over the result, and take it away again."""
    button = page.get_by_role("button", name="Lay one over the other")
    button.click()
    page.get_by_role("slider").fill("20")
    expect(page.locator(".over-image")).to_have_css("clip-path", "inset(0px 80% 0px 0px)")
    check_page(page)
    button.click()
    expect(page.get_by_role("slider")).to_have_count(0)


def test_every_state_and_reason_has_a_sentence(site: str, ctx: Context, new_tab: Tab) -> None:
    upscale = {"task_id": "task-1", "image_index": 1}
    error = JobError(reason=Reason.CREDIT, code="402", message="x" * 300)
    failed = queued(ctx, prompt="x" * 300)
    move(ctx, failed, State.SUBMITTING, State.FAILED, error=error)
    unsure = queued(ctx, provider="kie-midjourney", action="upscale", prompt="", params=upscale)
    move(ctx, unsure, State.SUBMITTING, State.UNCONFIRMED)
    shown = {
        failed: [state_text.STATES[State.FAILED], state_text.REASONS[Reason.CREDIT]],
        unsure: [state_text.STATES[State.UNCONFIRMED], "Waits for its callback or a decision"],
        queued(ctx, action="edit", image_urls=["https://x.example/a.png"]): [
            state_text.STATES[State.QUEUED],
            "Show the image from x.example",
        ],
        "none": ["no job none"],
    }
    with new_tab("404", **DESKTOP) as page:
        for job_id, sentences in shown.items():
            page.goto(f"{site}/jobs/{job_id}")
            for sentence in sentences:
                expect(page.get_by_text(sentence).first).to_be_visible()
            check_page(page)
        page.goto(f"{site}/jobs/{failed}")
        again = page.get_by_role("button", name="Send again")
        again.click()
        assert page.eval_on_selector("#pay-again", "box => box.validity.valueMissing")
        assert ctx.store.get(failed).state is State.FAILED
        page.get_by_label("Pay again").check()
        again.click()
        expect(page.locator("#job .line .state")).to_have_text("queued")


def test_unsaved_image_is_downloaded_again(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    expired = picture(ctx, state="expired")
    with new_tab() as page:
        open_live(page, f"{site}/jobs/{job_id}")
        state = page.locator("#job .line .state")
        move(ctx, job_id, State.SUBMITTING, State.DOWNLOADING, State.UNSAVED, images=(expired,))
        expect(state).to_have_text("unsaved")
        assert was_not_reloaded(page)
        page.get_by_role("button", name="Download again").click()
        expect(state).to_have_text("downloading")
        assert "done=" not in page.url


def test_keyboard_reaches_a_job_and_its_button(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab() as list_, new_tab() as page:
        open_live(list_, site)
        open_live(page, site)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        tab_to(page, f"#{job_id} a")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/jobs/{job_id}")
        expect(page.locator("#cancel-cost")).to_have_text("Nothing was sent yet: free of charge.")
        tab_to(page, "#cancel")
        assert page.eval_on_selector("#cancel", "button => getComputedStyle(button).outlineWidth")
        page.keyboard.press("Enter")
        expect(page.get_by_text("The job was cancelled.")).to_be_visible()
        expect(list_.locator(f"#{job_id} .state")).to_have_text("cancelled")
        assert was_not_reloaded(list_)


def tab_to(page: Page, selector: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"no Tab leads to {selector}")
