"""Jobs are made, cancelled, downloaded and paused by a browser that runs no JavaScript."""

from pathlib import Path

from playwright.sync_api import expect

from imagequeue.worker.context import Context
from support.dashboard_browser import DESKTOP, Tab
from support.images import PNG, stored
from support.jobs import queued, states_of


def test_jobs_are_made_cancelled_and_paused_by_plain_forms(
    site: str, ctx: Context, new_tab: Tab, tmp_path: Path
) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    image, *ids = stored(ctx), *(queued(ctx) for _ in range(2))
    with new_tab(**DESKTOP, java_script_enabled=False) as page:
        page.goto(site)
        page.get_by_role("link", name="New", exact=True).click()
        page.get_by_label("Provider and model").select_option("kie/edit/nano-banana-2")
        page.get_by_role("button", name="Choose").click()
        page.get_by_label("Prompt").fill("a hat")
        page.get_by_label("Files").set_input_files(tmp_path / "cat.png")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_text("The job was queued.")).to_be_visible()
        page.get_by_role("link", name="All jobs").click()
        page.get_by_role("link", name="a hat").click()
        page.get_by_role("button", name="Cancel this job").click()
        expect(page.get_by_text("The job was cancelled.")).to_be_visible()
        page.get_by_role("link", name="All jobs").click()
        for job_id in ids:
            page.locator(f"#{job_id}").get_by_label("Select a cat").check()
        page.get_by_role("button", name="Cancel …").click()
        page.get_by_role("button", name="Cancel these jobs").click()
        expect(page.get_by_text("2 of 2 jobs cancelled")).to_be_visible()
        page.goto(f"{site}/?state=downloading")
        with page.expect_download() as saved:
            page.locator("#matching").get_by_role("link", name="Download images").click()
        assert saved.value.suggested_filename == "images.zip"
        page.locator(f"#{image} h2 a").click()
        page.get_by_role("link", name="Image 1, full size").click()
        page.wait_for_url(f"**/v1/jobs/{image}/images/0")
        page.goto(f"{site}/pauses")
        page.get_by_label("Name", exact=True).select_option("kie:main")
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_role("button", name="Resume kie:main").click()
        expect(page.get_by_text("Nothing is paused.")).to_be_visible()
    assert states_of(ctx, *ids) == ["cancelled"] * 2
