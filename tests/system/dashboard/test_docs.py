"""The API's documentation in a real browser that reaches no other site."""

import redis
from playwright.sync_api import expect

from imagequeue.jobs.job import utc_now
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from support.dashboard_browser import Tab


def test_docs_render_offline_and_send_a_request(site: str, new_tab: Tab) -> None:
    # A CSP violation, or a file of another site, would be an error in the console.
    with new_tab() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site}/docs")
        expect(page.get_by_role("heading", name="imagequeue")).to_be_visible()
        page.get_by_text("List jobs").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text(
            "200"
        )
        assert {url for url in asked if not url.startswith((site, "data:", "blob:"))} == set()


def test_docs_need_the_key_where_there_are_keys(
    site: str, client: redis.Redis, new_tab: Tab
) -> None:
    key = ApiKeys(client).add("shop", Limits(), utc_now())
    with new_tab("401") as page:
        page.goto(f"{site}/docs")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", name="imagequeue")).to_be_visible()
