"""`imagequeue demo`: a handful of jobs over six simulated providers, from prompt to image."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from PIL import Image
from rich.columns import Columns
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich_pixels import Pixels

from ...jobs.job import Job, State
from ..client import LocalClient
from ..dashboard.formatting import format_cost
from ..login_link import make_login_link
from .command_name import name_command
from .ports import free_port
from .up import Options, System, running

DATA_DIR = Path("data") / "demo"
# Minutes in production, seconds here: the demo ends while you watch.
COUNTDOWNS = "2,3,5"
LATENCY_S = "3"
GIVE_UP_S = 120.0
# A character is half as wide as high, and shows two pixels.
THUMBNAIL_COLUMNS = 24
REFRESH_S = 0.25

CAT = "https://example.com/cat.png"
JOBS: list[dict[str, Any]] = [
    {
        "provider": "kie",
        "prompt": "a lighthouse in a storm, oil on canvas",
        "params": {"model": "nano-banana-2", "aspect_ratio": "16:9"},
    },
    {
        "provider": "kie-flux-kontext",
        "action": "edit",
        "prompt": "give the cat a red scarf",
        "image_urls": [CAT],
        "delivery": "poll",
    },
    {"provider": "kie-midjourney", "prompt": "a paper city at dawn", "delivery": "callback"},
    {
        "provider": "acedata",
        "prompt": "a white siamese cat",
        "params": {"model": "nano-banana-pro"},
        "delivery": "poll",
    },
    {
        "provider": "acedata-flux",
        "prompt": "tea on the moon",
        "params": {"model": "flux-kontext-pro", "count": 2},
    },
    {
        "provider": "openai-images",
        "prompt": "a cat asleep in the sun",
        "params": {"model": "gpt-image-1"},
    },
]
# It starts from the image of the first job.
EDIT = {
    "provider": "kie",
    "action": "edit",
    "prompt": "the same lighthouse on a calm night",
    "params": {"model": "seedream/4.5-edit"},
}
COLOURS = {State.SUCCEEDED: "green", State.FAILED: "red", State.UNSAVED: "red"}


def demo(console: Console, keep: bool) -> bool:
    """Run the demo and return whether every job succeeded; `keep` leaves it up until Ctrl-C."""
    options = Options(
        api_port=free_port(),
        callback_port=free_port(),
        flower_port=free_port(),
        sandbox_port=free_port(),
        sandbox_arguments=("--latency", LATENCY_S),
        settings={"data_dir": str(DATA_DIR), "poll_countdowns": COUNTDOWNS},
    )
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    log = DATA_DIR / "demo.log"
    console.print(f"Starting everything; its log is {log} ...")
    with (
        log.open("w") as file,
        running(options, lambda name, line: print(f"{name:>10} | {line}", file=file)) as system,
    ):
        console.print(f"redis: {system.redis_description}")
        console.print(f"Ready. Polls come after {COUNTDOWNS} s here; by default 60, 300, 900 s.\n")
        jobs = _run_jobs(console, system)
        _print_results(console, jobs)
        if keep:
            link = make_login_link(system.settings, options.urls["api"])
            console.print(f"\nopen {link}", soft_wrap=True, highlight=False)
            console.print(f"Flower: {options.urls['flower']}   (Ctrl-C ends the demo)")
        else:
            console.print(f"\nTo see them in a browser: {name_command()} demo --keep")
            console.print(f"To send jobs of your own: {name_command()} up --sandbox")
        while keep:
            system.restart_dead()
            time.sleep(REFRESH_S)
    return all(job.state is State.SUCCEEDED for job in jobs)


def _run_jobs(console: Console, system: System) -> list[Job]:
    """Submit the jobs and show them until the last one is finished."""
    client = LocalClient(system.settings)
    ids = [job.id for job in client.submit_many(JOBS)]
    ids += [job.id for job in client.submit_many([{**EDIT, "image_urls": [ids[0]]}])]
    deadline = time.monotonic() + GIVE_UP_S
    with Live(console=console, refresh_per_second=1 / REFRESH_S) as live:
        while True:
            jobs = [client.get(job_id) for job_id in ids]
            live.update(_build_table(jobs))
            if all(job.is_finished for job in jobs) or time.monotonic() > deadline:
                return jobs
            system.restart_dead()
            time.sleep(REFRESH_S)


def _build_table(jobs: Iterable[Job]) -> Table:
    columns = ("provider", "model", "action", "by", "state", "seconds", "images", "cost")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for job in jobs:
        colour = COLOURS.get(job.state, "yellow")
        stored = sum(image.state == "stored" for image in job.images)
        table.add_row(
            job.provider,
            job.params.get("model", ""),
            job.action,
            job.delivery,
            f"[{colour}]{job.state}[/]",
            f"{(job.updated_at - job.created_at).total_seconds():.1f}",
            f"{stored}/{len(job.images)}" if job.images else "",
            format_cost(job) if job.costs else "",
        )
    return table


def _print_results(console: Console, jobs: list[Job]) -> None:
    """Print the paths of the images, and on a terminal with colours the images themselves."""
    succeeded = [job for job in jobs if job.state is State.SUCCEEDED]
    console.print(f"\n{len(succeeded)} of {len(jobs)} jobs succeeded. Their images:")
    for job in jobs:
        for image in job.images:
            if image.uri:
                console.print(f"  {_to_path(image.uri)}", soft_wrap=True, highlight=False)
        if job.error:
            console.print(f"  {job.id}: {job.error.reason} {job.error.message}")
    if console.is_terminal and console.color_system == "truecolor":
        paths = [_to_path(image.uri) for job in jobs for image in job.images if image.uri]
        console.print(Columns(_draw_thumbnails(paths), padding=(1, 1)))


def _draw_thumbnails(paths: Iterable[str]) -> Iterator[Pixels]:
    """Yield each image small enough for a line of them, made of coloured characters."""
    for path in paths:
        with suppress(OSError), Image.open(path) as image:  # not a video
            image.thumbnail((THUMBNAIL_COLUMNS, THUMBNAIL_COLUMNS))
            yield Pixels.from_image(image.convert("RGB"))


def _to_path(uri: str) -> str:
    return unquote(urlsplit(uri).path)
