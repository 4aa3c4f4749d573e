"""Login by a link or a key, roles, and sessions that are ended."""

import pytest
import redis
from playwright.sync_api import Locator, Page, expect

from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.api.routes import events
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.worker.context import Context
from support.cli import imagequeue
from support.dashboard_browser import DESKTOP, PHONE, Tab, check_page, is_drawn
from support.images import stored
from support.jobs import failed, move
from support.processes import eventually


def test_key_and_link_log_in_until_their_session_ends(
    site: str,
    ctx: Context,
    client: redis.Redis,
    overrides: dict[str, str],
    new_tab: Tab,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "RECHECK_EVERY_S", 1)
    job_id = stored(ctx)
    move(ctx, job_id, State.SUCCEEDED)
    failed(ctx)
    key = ApiKeys(client).add("the-photo-studio-of-anna", Limits(), utc_now(), is_admin=True)
    with new_tab("401", **DESKTOP) as admin, new_tab("401", **PHONE) as guest:
        log_in(admin, site, key)
        expect(admin.locator("#stream")).to_have_text("no worker runs")
        eventually(lambda: is_drawn(admin, f"#{job_id} img"))
        options = ("--url", site, "--role", "viewer", "--name", "anna")
        guest.goto(imagequeue("login", *options, settings=overrides).out.strip())
        expect(guest.get_by_text("as anna: to look at all jobs")).to_be_visible()
        check_page(guest)
        guest.get_by_role("button", name="Log in").click()
        expect(guest.locator("#stream")).to_have_text("no worker runs")
        expect(guest.get_by_role("link", name="New", exact=True)).to_have_count(0)
        guest.goto(f"{site}/?state=failed")
        expect(guest.locator("#matching")).to_contain_text("All 1 that match:")
        expect(guest.get_by_role("link", name="Retry")).to_have_count(0)
        admin.get_by_role("link", name="the-photo-studio-of-anna, admin").click()
        check_page(admin)
        admin.get_by_role("button", name=", anna, ").click()
        expect(admin.get_by_text("anna, viewer")).to_have_count(0)
        # Its event stream ends, and the page asks for a login by itself.
        expect(guest.get_by_label("API key")).to_be_visible()
        admin.goto(site)
        admin.set_viewport_size(PHONE["viewport"])
        expect(admin.locator("#stream")).to_have_text("no worker runs")
        button = admin.get_by_role("button", name="Log out")
        assert find_middle(button) == find_middle(admin.get_by_role("link", name="imagequeue"))
        check_page(admin)
        button.click()
        expect(admin.get_by_label("API key")).to_be_visible()


def log_in(page: Page, site: str, key: str) -> None:
    """Log in with a key, after a wrong one."""
    page.goto(site)
    expect(page.get_by_role("navigation", name="Pages")).to_have_count(0)
    check_page(page)
    page.get_by_label("API key").fill("nobody's")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This API key is unknown.")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()


def find_middle(locator: Locator) -> int:
    """Return the height at which an element is in the page."""
    box = locator.bounding_box()
    assert box
    return round(box["y"] + box["height"] / 2)
