"""Debian's Chromium, and a page in it that may not complain."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

# Chromium refuses to run its own sandbox as root, which is who runs tests in a container.
FLAGS = ["--no-sandbox"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; without one installed, tests are skipped, in CI they fail."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def tab(browser: Browser, *expected: str, **options: Any) -> Iterator[Page]:
    """A tab of its own; at the end nothing may stand in its console but what was `expected`.

    The console tells of scripts that broke, files that are missing and whatever the
    Content-Security-Policy forbade.
    """
    context = browser.new_context(**options)
    page = context.new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    unexpected = [one for one in complaints if not any(re.search(e, one) for e in expected)]
    assert not unexpected, unexpected
