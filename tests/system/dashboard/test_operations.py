"""The page of operations: what runs, waits, is in use and was spent; and the page of costs."""

from typing import Any

from playwright.sync_api import Page, expect

from imagequeue.worker.context import Context
from support.dashboard import beat
from support.dashboard_browser import check_page, open_live
from support.jobs import charged
from support.metrics import add_results


def test_operations_show_what_runs_waits_and_was_spent(site: str, ctx: Context, page: Page) -> None:
    add_results(ctx, "callback", "poll", "poll")
    charged(ctx, "shop")
    open_live(page, site)
    expect(page.locator("#stream")).to_have_text("no worker runs")
    beat(ctx)
    page.get_by_role("link", name="Operations").click()
    for name, value in (
        ("Oldest waiting job", "1 h"),
        ("Results", "1 by callback, 2 by poll"),
        ("Webhooks", "0 waiting, 0 given up"),
        ("Redis", "used"),
        ("Images", "are free"),
    ):
        expect(page.locator(f"dt:text-is('{name}') + dd")).to_contain_text(value)
    expect(find_row(page, "Processes", "worker")).to_be_visible()
    expect(find_row(page, "Queues", "submit")).to_contain_text("1")
    expect(find_row(page, "Keys", "kie main")).to_contain_text("of 1 in 10 s")
    for by, name in (("provider", "kie"), ("caller", "shop")):
        expect(find_row(page, f"Spent by {by}", name)).to_contain_text("$0.02")
    flower = page.get_by_role("link", name="Flower")
    expect(flower).to_have_attribute("href", "http://127.0.0.1:5555/")
    check_page(page)
    page.get_by_role("link", name="All costs").click()
    expect(page.get_by_role("region", name="By caller")).to_contain_text("shop")
    check_page(page)
    open_live(page, site)
    expect(page.locator("#stream")).to_have_text("live")


def find_row(page: Page, table: str, name: str) -> Any:
    rows = page.get_by_role("region", name=table, exact=True).locator("tbody tr")
    return rows.filter(has_text=name).first
