"""What the tests of the dashboard in a browser share."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, expect

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
# Between them, both sizes and both colours.
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "has_touch": True,
    "is_mobile": True,
}


Tab = Callable[..., AbstractContextManager[Page]]


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


def check_page(page: Page) -> None:
    """Check a page on both screens, and leave it on the other one: the flow goes on there."""
    _check_screen(page)
    is_phone = page.viewport_size == PHONE["viewport"]
    other = DESKTOP if is_phone else PHONE
    page.set_viewport_size(other["viewport"])
    page.emulate_media(color_scheme=other["color_scheme"])
    _check_screen(page)


def _check_screen(page: Page) -> None:
    """Check that the page breaks no rule of accessibility, and fits the screen."""
    screen = page.viewport_size or {"width": 0}
    width = page.evaluate("document.documentElement.scrollWidth")
    assert (page.url, width <= screen["width"]) == (page.url, True)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    violations = [(each["id"], each["nodes"][0]["html"]) for each in found]
    assert (page.url, violations) == (page.url, [])


def drop(page: Page, target: Locator, *files: Path) -> None:
    """Drop files on an element, as from a folder beside the browser."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box
    data = {"items": [], "files": [str(each) for each in files], "dragOperationsMask": 1}
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "data": data}
    devtools = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": step, **at})


def swipe(page: Page, start: int, end: int) -> None:
    """Move a finger over the open image, from one x to another."""
    page.eval_on_selector(
        "#lightbox .stage",
        """(stage, places) => {
            const at = (x) => new Touch({ identifier: 1, target: stage, clientX: x, clientY: 300 });
            const [start, end] = places.map(at);
            const fire = (name, touches, changedTouches) => stage.dispatchEvent(
                new TouchEvent(name, { bubbles: true, touches, changedTouches }));
            fire("touchstart", [start], [start]);
            fire("touchend", [], [end]);
        }""",
        [start, end],
    )
