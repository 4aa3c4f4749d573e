"""What the tests of the dashboard in a browser share."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import requests
from playwright.sync_api import Page, expect

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


Tab = Callable[..., AbstractContextManager[Page]]


def submit(site: str, prompt: str, **headers: str) -> str:
    request = {"provider": "acedata-flux", "prompt": prompt, "delivery": "poll"}
    answer = requests.post(f"{site}/v1/jobs", json=request, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def is_drawn(page: Page, selector: str) -> bool:
    return bool(page.locator(selector).evaluate("image => image.complete && image.naturalWidth"))


def open_live(page: Page, url: str) -> None:
    """Open a page and mark it; a reload would lose the mark."""
    page.goto(url)
    # Most tests need no worker.
    expect(page.locator("#stream")).to_have_text(re.compile("^(live|no worker runs)$"))
    page.evaluate("window.marked = true")


def was_not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.marked === true"))
