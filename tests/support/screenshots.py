"""Write the screenshots of the documents: the dashboard of the whole queue, with the sandbox."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser

from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
from imagequeue.producer.local.up import Options, running
from support.chromium import chromium
from support.paths import ROOT
from support.processes import eventually

IMAGES = ROOT / "docs/images"
MAX_BYTES = 150_000
DESKTOP, PHONE = (1440, 900), (390, 844)
# Waiting for half a minute would draw the bars of the other states as dots.
SETTINGS = {"poll_countdowns": "2,3,5"}

KIE: dict[str, Any] = {"provider": "kie", "params": {"model": "nano-banana-2"}}
FLUX: dict[str, Any] = {"provider": "kie-flux-kontext"}
ACEDATA: dict[str, Any] = {
    "provider": "acedata-flux",
    "params": {"model": "flux-kontext-pro", "count": 2},
}
FIRST = {**KIE, "prompt": "a valley in the morning sun, flat illustration"}
PROMPTS = (
    *("fog over a pine forest", "a harbour at night", "tea on the moon", "islands seen from above"),
    *("a desert road", "the old town after rain", "a fjord, long exposure", "a paper city at dawn"),
    *("hills of Tuscany", "a lake without a wind", "a skyline, evening", "the edge of the woods"),
    *("the sea before a storm", "a sleeping volcano", "rooftops in summer"),
)
EDIT = {
    **KIE,
    "action": "edit",
    "prompt": "the same valley at dusk",
    "params": {"model": "nano-banana-2"},
}
NEW = "/new?kind=kie/generate/nano-banana-2"


# Images below the first screen load later.
DRAWN = """[...document.images]
    .filter(each => each.src && each.getBoundingClientRect().top < innerHeight)
    .every(each => each.complete && each.naturalWidth)"""


class Shot(NamedTuple):
    """A screenshot: its name, and the page as the browser is to show it."""

    name: str
    path: str
    size: tuple[int, int] = DESKTOP
    scheme: str = "light"


def write_screenshots() -> None:
    """Start everything, wait for the jobs, and write each screenshot to docs/images."""
    with TemporaryDirectory() as folder:
        ports = {f"{name}_port": free_port() for name in ("api", "callback", "flower", "sandbox")}
        options = Options(**ports, settings={**SETTINGS, "data_dir": folder})
        with running(options, lambda *_: None) as system:
            edited = submit_jobs(LocalClient(system.settings))
            shots = (
                Shot("gallery", "/"),
                Shot("gallery-phone", "/", PHONE, "dark"),
                Shot("job", f"/jobs/{edited}"),
                Shot("new", NEW),
                Shot("operations", "/operations"),
            )
            with chromium() as browser:
                for shot in shots:
                    write(IMAGES / f"{shot.name}.webp", take(browser, options.urls["api"], shot))


def submit_jobs(client: LocalClient) -> str:
    """Submit the jobs of the gallery, oldest first; return the id of an edit that succeeded."""
    first = client.submit(**FIRST)
    kinds = (KIE, FLUX, ACEDATA)
    others = [
        {**kinds[place % len(kinds)], "prompt": prompt} for place, prompt in enumerate(PROMPTS)
    ]
    jobs = [first, *client.submit_many(others)]
    edited = client.submit(**EDIT, image_urls=[first.id])
    list(client.as_completed([*(job.id for job in jobs), edited.id], timeout_s=120))
    return edited.id


def take(browser: Browser, site: str, shot: Shot) -> bytes:
    """Return a page as a PNG, once its images are drawn."""
    width, height = shot.size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=shot.scheme,
        device_scale_factor=2 if shot.size == PHONE else 1,
    )
    page.goto(site + shot.path)
    eventually(lambda: page.evaluate(DRAWN))
    png = page.screenshot()
    page.close()
    return png


def write(path: Path, png: bytes) -> None:
    """Write a PNG as a WebP of at most MAX_BYTES."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.save(path, quality=86, method=6)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{path} has more than {MAX_BYTES:,} bytes: show less on it")


if __name__ == "__main__":
    write_screenshots()
