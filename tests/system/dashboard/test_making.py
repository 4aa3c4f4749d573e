"""An image is made in the browser, from the form of a model to its card in the gallery."""

import re
from pathlib import Path

from conftest import Start
from playwright.sync_api import Locator, Page, expect

from support.dashboard_browser import (
    DESKTOP,
    PHONE,
    SCRIPT,
    Tab,
    check_page,
    drop,
    is_drawn,
    open_live,
    was_not_reloaded,
)
from support.images import PNG
from support.processes import WORKER, eventually


def test_image_is_made_from_a_form_and_appears_live(
    start: Start, site: str, new_tab: Tab, tmp_path: Path
) -> None:
    start(*WORKER)
    (tmp_path / "cat.png").write_bytes(PNG)
    with new_tab(**DESKTOP) as desktop, new_tab(**PHONE) as phone:
        # One shows what is made on the other.
        for number, (gallery, page) in enumerate([(desktop, phone), (phone, desktop)]):
            make_image(site, gallery, page, tmp_path / "cat.png", number)


def make_image(site: str, gallery: Page, page: Page, file: Path, number: int) -> None:
    """Make an edit of a file on a page, and see it in the gallery, which has so many."""
    prompt = f"a hat for the cat {number} {SCRIPT}"
    open_live(gallery, site)
    expect(gallery.locator("#empty")).to_be_visible(visible=not number)
    page.goto(site)
    page.get_by_role("link", name="New", exact=True).click()
    kind = page.get_by_label("Provider and model")
    kind.select_option("kie/edit/nano-banana-2")
    expect(kind.locator("option:checked")).to_contain_text("8 to 18 credits by resolution")
    page.get_by_role("button", name="Choose").click()
    cost, make = page.locator("#cost"), page.get_by_role("button", name="Make it")
    expect(page.get_by_label("Resolution")).to_have_value("1K")
    expect(cost).to_have_text("Expected cost: about $0.04")
    assert find_top(cost) < find_top(make)
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_label("Resolution").select_option("4K")
    drop(page, page.get_by_label("Files"), file)
    page.get_by_role("button", name="Update the cost").click()
    expect(cost).to_have_text("Expected cost: about $0.09")
    expect(page.get_by_label("Input images")).to_have_value(re.compile(r"^upload_\w+$"))
    expect(page.get_by_label("Prompt")).to_have_value(prompt)
    check_page(page)
    make.click()
    expect(page.get_by_text("The job was queued.")).to_be_visible()
    expect(page.locator("#job .line .state")).to_have_text("succeeded")
    expect(page.get_by_role("heading", name="Before and after")).to_be_visible()
    job_id = page.url.rpartition("/")[2]
    card = gallery.locator(f"#{job_id}")
    expect(card.locator(".state")).to_have_text("succeeded")
    expect(card.locator("h2")).to_have_text(prompt)
    expect(gallery.locator("#empty")).to_be_hidden()
    expect(gallery.locator("#chips")).to_contain_text(f"succeeded {number + 1}")
    expect(gallery.locator("#news")).to_have_text(f"{prompt}: succeeded")
    eventually(lambda: is_drawn(gallery, f"#{job_id} img"))
    assert was_not_reloaded(gallery)


def find_top(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box
    return box["y"]
