"""Chromium, and tabs in it whose console must stay clean."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

# Chromium refuses to use its sandbox as root, and tests in a container run as root.
FLAGS = ["--no-sandbox"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless browser; if none is installed, skip the test, or fail it in CI."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def tab(browser: Browser, *expected: str, **options: Any) -> Iterator[Page]:
    """Open a new tab; at the end its console may contain only `expected` messages.

    The console reports script errors, missing files and Content-Security-Policy violations.
    """
    context = browser.new_context(**options)
    page = context.new_page()
    messages: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            messages.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", on_console)
    page.on("pageerror", lambda error: messages.append(str(error)))
    yield page
    context.close()
    unexpected = [one for one in messages if not any(re.search(e, one) for e in expected)]
    assert not unexpected, unexpected
