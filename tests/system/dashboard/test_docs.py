"""The API's documentation in a real browser that reaches no other site."""

from collections.abc import Callable

from playwright.sync_api import expect

from imagequeue.config.settings import Settings, read_settings
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
    serve: Callable[[Settings], str], overrides: dict[str, str], new_tab: Tab
) -> None:
    site = serve(read_settings(**overrides, api_keys="key-one"))
    with new_tab("401") as page:
        page.goto(f"{site}/docs")
        page.get_by_label("API key").fill("key-one")
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", name="imagequeue")).to_be_visible()
