"""The gallery: images first, looked at one by one, downloaded, and made again."""

import io
import re
from typing import Any
from zipfile import ZipFile

from playwright.sync_api import Page, expect

from imagequeue.jobs.job import JobError, Reason, State
from imagequeue.store.submit.queue import SubmitQueue, read_quotas
from imagequeue.worker.context import Context
from support.dashboard import beat, some
from support.dashboard_browser import PHONE, Tab, check_page, is_drawn, open_live, swipe
from support.images import stored
from support.jobs import move, queued
from support.media_samples import VIDEO
from support.processes import eventually

CLIPBOARD = ["clipboard-read", "clipboard-write"]


def test_images_come_first_and_cards_say_what_they_wait_for(
    site: str, ctx: Context, new_tab: Tab, screen: dict[str, Any]
) -> None:
    images = [stored(ctx) for _ in range(4)]
    for image in images:
        move(ctx, image, State.SUCCEEDED)
    second, first = some(ctx, 2, prompt="x" * 300)
    # As a worker does that sends none.
    SubmitQueue(ctx.store.redis, 25, read_quotas(ctx.settings)).lease(ctx.now(), 0)
    error = JobError(reason=Reason.POLICY, code="400")
    failed, waiting = queued(ctx), queued(ctx)
    move(ctx, failed, State.SUBMITTING, State.WAITING, State.FAILED, error=error)
    move(ctx, waiting, State.SUBMITTING, State.WAITING)
    beat(ctx)
    with new_tab(**screen) as page:
        open_live(page, site)
        for job_id, words in (
            (failed, "Content policy"),
            (waiting, "Waits for the provider's"),
            (first, "Waits for its turn"),
            (second, "1 before it, about "),
        ):
            expect(page.locator(f"#{job_id} .cover")).to_contain_text(words)
        page.get_by_role("link", name="succeeded").first.click()
        eventually(lambda: is_drawn(page, f"#{images[0]} img"))
        check_layout(page, images)
        page.get_by_role("searchbox").fill("unicorn")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="No job matches")).to_be_visible()


def check_layout(page: Page, images: list[str]) -> None:
    boxes = [page.locator(f"#{image} .cover").bounding_box() for image in images]
    screen = page.viewport_size
    assert screen
    assert all(box and box["y"] + box["height"] < screen["height"] for box in boxes)
    search = page.get_by_role("searchbox")
    if screen["width"] == 390:
        columns = {round(box["x"]) for box in boxes if box}
        filled = sum(box["width"] for box in boxes[:2] if box)
        assert (len(columns), filled > 0.85 * 390) == (2, True)
        # One row of filters, which is moved with a finger.
        tops = page.eval_on_selector_all(
            "#chips a", "all => all.map((each) => Math.round(each.getBoundingClientRect().top))"
        )
        assert len(set(tops)) == 1
        assert page.eval_on_selector("#chips", "row => row.scrollWidth > row.clientWidth")
        expect(search).to_be_hidden()
        page.get_by_text("Search", exact=True).first.click()
    expect(search).to_be_visible()


def test_lightbox_leads_through_the_images(site: str, ctx: Context, new_tab: Tab) -> None:
    movie, older, newer = stored(ctx, data=VIDEO, name="{}/0.mp4"), stored(ctx), stored(ctx)
    beat(ctx)
    with new_tab(**PHONE, permissions=CLIPBOARD) as page:
        open_live(page, f"{site}/?state=downloading")
        box = page.get_by_role("dialog")
        opener = page.locator(f"#{newer}").get_by_role("button", name="Enlarge: a cat")
        opener.focus()
        page.keyboard.press("Enter")
        expect(box).to_contain_text("1 of 3")
        eventually(lambda: is_drawn(page, "#lightbox img"))
        check_page(page)
        page.keyboard.press("ArrowRight")
        expect(box.locator("img")).to_have_attribute("src", f"/v1/jobs/{older}/images/0")
        box.get_by_role("button", name="Next image").click()
        expect(box).to_contain_text("3 of 3")
        expect(box.locator("img")).to_be_hidden()
        video = box.locator("video")
        expect(video).to_have_attribute("src", f"/v1/jobs/{movie}/images/0")
        eventually(lambda: video.evaluate("video => video.controls && video.videoWidth"))
        check_page(page)
        box.get_by_role("button", name="Previous image").click()
        expect(video).to_be_hidden()
        expect(video).not_to_have_attribute("src", re.compile("."))
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


def test_selection_is_downloaded_and_an_image_made_again(
    site: str, ctx: Context, page: Page
) -> None:
    _, second, third = (stored(ctx) for _ in range(3))
    page.goto(site)
    for job_id in (second, third):
        page.locator(f"#{job_id}").get_by_label("Select a cat").check()
    expect(page.locator("#selected")).to_have_text("2 selected, about $0.05")
    check_page(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download", exact=True).click()
    with ZipFile(io.BytesIO(saved.value.path().read_bytes())) as files:
        names = sorted(files.namelist())
    assert names == sorted(f"a-cat-{job_id}-0.png" for job_id in (second, third))
    page.locator(f"#{third} h2 a").click()
    page.get_by_role("link", name="Make another like this").click()
    expect(page.get_by_label("Prompt (required)")).to_have_value("a cat")
    expect(page.locator("#kind")).to_have_value("kie-flux-kontext/generate/")
