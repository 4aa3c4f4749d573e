"""The dashboard stays up to date in a real browser, without a reload."""

from playwright.sync_api import Page, expect

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from support.dashboard import beat
from support.dashboard_browser import Tab, open_live, was_not_reloaded
from support.jobs import move, queued
from support.relay import relaying


def test_focus_stays_when_its_card_changes(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab() as page:
        open_live(page, site)
        page.locator(f"#{job_id} a").focus()
        move(ctx, job_id, State.SUBMITTING)
        expect(page.locator(f"#{job_id} .state")).to_have_text("submitting")
        expect(page.locator(f"#{job_id} a")).to_be_focused()


def test_filtered_page_matches_a_reload(site: str, ctx: Context, new_tab: Tab) -> None:
    cat, dog = (queued(ctx, prompt=prompt) for prompt in ("a cat", "a dog"))
    with new_tab() as page:
        open_live(page, f"{site}/?state=submitting&q=cat")
        expect(page.locator(".card")).to_have_count(0)
        for job_id in (dog, cat):
            move(ctx, job_id, State.SUBMITTING)
        expect(page.locator(".card")).to_have_count(1)
        expect(page.locator(".card h2")).to_have_text("a cat")
        move(ctx, cat, State.WAITING)
        expect(page.locator(".card")).to_have_count(0)
        expect(page.locator("#empty")).to_be_visible()


def test_many_changes_cost_few_requests(site: str, settings: Settings, new_tab: Tab) -> None:
    client = LocalClient(settings)
    with new_tab() as page:
        open_live(page, site)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        requests_ = [{"provider": "acedata-flux", "prompt": f"image {n}"} for n in range(60)]
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
    client = LocalClient(settings)
    client.submit_many([{"provider": "acedata-flux", "prompt": str(n)} for n in range(48)])
    with new_tab() as page:
        open_live(page, site)
        expect(page.locator("#older")).to_be_hidden()
        first = client.submit("acedata-flux", "one more")
        expect(page.locator(".card").first).to_have_attribute("id", first.id)
        expect(page.locator(".card")).to_have_count(48)
        page.locator("#older").click()
        expect(page.locator(".card h2")).to_have_text(["0"])


def test_missed_changes_are_shown_after_an_outage(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    # The browser's error message depends on what it was loading when the connection was lost.
    with relaying(site) as relay, new_tab("net::ERR_") as page:
        open_live(page, relay.url)
        relay.cut()
        expect(page.locator("#stream")).to_have_text("connecting …")
        move(ctx, job_id, State.SUBMITTING)
        new = queued(ctx, prompt="meanwhile")
        expect(page.locator(f"#{job_id} .state")).to_have_text("submitting")
        expect(page.locator(f"#{new} h2")).to_have_text("meanwhile")
        assert was_not_reloaded(page)


def test_refused_stream_is_retried(site: str, ctx: Context, new_tab: Tab) -> None:
    with new_tab("503") as page:
        page.route("**/v1/events", lambda route: route.fulfill(status=503), times=1)
        page.goto(site)
        expect(page.locator("#stream")).to_have_text("connecting …")
        beat(ctx)
        job_id = queued(ctx)
        expect(page.locator(f"#{job_id}")).to_be_visible()
        expect(page.locator("#stream")).to_have_text("live")


def test_hidden_tab_disconnects_and_catches_up(site: str, ctx: Context, new_tab: Tab) -> None:
    job_id = queued(ctx)
    with new_tab() as page, new_tab() as witness:
        open_live(page, site)
        open_live(witness, site)
        hide(page, True)
        assert page.evaluate("source.readyState === EventSource.CLOSED")
        move(ctx, job_id, State.SUBMITTING)
        expect(witness.locator(f"#{job_id} .state")).to_have_text("submitting")
        expect(page.locator(f"#{job_id} .state")).to_have_text("queued")
        hide(page, False)
        expect(page.locator(f"#{job_id} .state")).to_have_text("submitting")


def hide(page: Page, hidden: bool) -> None:
    """Simulate a background tab, which a headless browser does not have."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
