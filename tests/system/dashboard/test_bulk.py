"""Many jobs at once: selected ones, all of a filter, a batch, and what is paused."""

import requests
from playwright.sync_api import Page, expect

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from support.dashboard_browser import check_page
from support.jobs import failed, move, queued, states_of, unsaved


def test_selected_jobs_are_cancelled_after_the_cost(site: str, ctx: Context, page: Page) -> None:
    waiting, *ids = (queued(ctx, prompt=f"image {n}") for n in range(4))
    move(ctx, waiting, State.SUBMITTING, State.WAITING)
    unsaved(ctx)
    page.goto(site)
    bar = page.locator("#selection")
    # Shift selects what is between.
    page.get_by_label("Select image 3").check()
    page.get_by_label("Select image 2").check()
    page.get_by_label("Select image 1").click(modifiers=["Shift"])
    page.get_by_label("Select image 0").check()
    expect(page.locator("#selected")).to_have_text("4 selected, about $0.10")
    expect(bar.get_by_role("button", name="Retry")).to_be_hidden()
    bar.get_by_role("button", name="Cancel 4 …").click()
    report = page.get_by_role("status").filter(has_text="jobs would be cancelled")
    for words in ("4 of 4 jobs", "3: free of charge", "1: the charge stands", "USD is not spent"):
        expect(report).to_contain_text(words)
    page.get_by_role("button", name="Cancel these jobs").click()
    expect(page.get_by_text("4 of 4 jobs cancelled")).to_be_visible()
    assert states_of(ctx, waiting, *ids) == ["cancelled"] * 4


def test_all_that_match_are_retried_or_acknowledged(site: str, ctx: Context, page: Page) -> None:
    paid, lost = [failed(ctx) for _ in range(2)], unsaved(ctx)
    page.goto(site)
    page.locator("#chips").get_by_role("link", name="failed").click()
    bar = page.locator("#matching")
    expect(bar).to_contain_text("All 2 that match:")
    expect(bar.get_by_role("link", name="Acknowledge")).to_have_count(0)
    bar.get_by_role("link", name="Retry 2 …").click()
    expect(page.get_by_text("2 of 2 jobs would be started again")).to_be_visible()
    page.get_by_label("Pay again for 2 jobs").check()
    check_page(page)
    page.get_by_role("button", name="Start these jobs again").click()
    expect(page.get_by_text("2 of 2 jobs started again")).to_be_visible()
    page.goto(f"{site}/?state=unsaved")
    page.get_by_role("link", name="Acknowledge 1 …").click()
    page.get_by_role("button", name="Acknowledge these jobs").click()
    expect(page.get_by_text("1 of 1 jobs acknowledged")).to_be_visible()
    assert states_of(ctx, *paid, lost) == ["queued", "queued", "failed"]


def test_provider_and_key_are_paused_and_resumed(site: str, ctx: Context, page: Page) -> None:
    queued(ctx)
    page.goto(site)
    page.get_by_role("link", name="Pauses").click()
    for name in ("kie-flux-kontext", "kie:main"):
        page.get_by_label("Name", exact=True).select_option(name)
        page.get_by_label("Reason").fill("too many failures")
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.get_by_role("button", name=f"Resume {name}")).to_be_visible()
    check_page(page)
    page.goto(site)
    expect(page.get_by_text("Paused: ")).to_contain_text("kie-flux-kontext")
    expect(page.locator(".card").first).to_contain_text("Waits for the end of a pause")
    page.get_by_role("link", name="Why, and resume").click()
    for name in ("kie-flux-kontext", "kie:main"):
        page.get_by_role("button", name=f"Resume {name}").click()
    expect(page.get_by_text("Nothing is paused.")).to_be_visible()


def test_batch_shows_its_progress_and_what_is_left(site: str, ctx: Context, page: Page) -> None:
    items = [{"provider": "acedata-flux", "prompt": f"image {n}"} for n in range(3)]
    answer = requests.post(f"{site}/v1/batches", json={"items": items}, timeout=30).json()
    move(ctx, answer["jobs"][0], State.SUBMITTING, State.WAITING, State.FAILED)
    page.goto(site)
    page.get_by_role("link", name="Batches").click()
    expect(page.get_by_text("1 of 3 finished, 2 queued, 1 failed")).to_be_visible()
    check_page(page)
    page.locator(".batches h2 a").click()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "1")
    check_page(page)
    # The page moves by itself.
    move(ctx, answer["jobs"][1], State.CANCELLED)
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "2")
    page.get_by_role("link", name="See its images").click()
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_role("link", name=f"Batch {answer['id']}").click()
    page.get_by_role("link", name="Retry 1 …").click()
    expect(page.get_by_text("1 of 3 jobs would be started again")).to_be_visible()
