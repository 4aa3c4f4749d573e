"""How a job is shown: its title, age, images, and the cost of each button."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import NamedTuple

from ...jobs.cost import MICRO
from ...jobs.job import Charged, Image, Job, State
from ...store.submit.places import estimate_usd
from ..bulk_report import describe_report as describe_report  # for templates
from ..commands import FREE, MAY_STAND, STANDS, STATES_FOR, Action, is_paid_retry
from ..commands import needs_pay_again as needs_pay_again  # for templates
from ..position_text import format_seconds as format_seconds  # for templates

MAX_TITLE_CHARACTERS = 90
THUMBNAIL_PX = 320

# The state's name is always shown next to its colour.
_S = State
TONES = {
    **dict.fromkeys((_S.QUEUED, _S.SUBMITTING, _S.WAITING, _S.DOWNLOADING), "moving"),
    **dict.fromkeys((_S.UNCONFIRMED, _S.OVERDUE, _S.UNSAVED), "odd"),
    _S.SUCCEEDED: "good",
    _S.FAILED: "bad",
    _S.CANCELLED: "over",
}
CANCELS = {
    _S.QUEUED: "It is about to be sent again",
    _S.WAITING: "The provider has it",
    _S.OVERDUE: "The provider has it",
    _S.UNCONFIRMED: "It may have been sent",
}
CHARGES = {Charged.YES: STANDS, Charged.UNKNOWN: MAY_STAND}
RETRIES = {
    Charged.NO: "Nothing was charged for it. The request is sent again, and charged then.",
    Charged.YES: "The request is sent again, and the provider charges for it again.",
    Charged.UNKNOWN: "It may be paid for already. The request is sent again, and the provider "
    "charges for that too.",
}
DOWNLOADS_AGAIN = f"The images are downloaded again, {FREE}."
ACKNOWLEDGES = "Nobody will save its images: its alert ends, and the charge stands."


class BulkTexts(NamedTuple):
    """How a bulk action is called on its link, its page and its button."""

    link: str
    """Without ` …`, before which the number of jobs may stand."""
    title: str
    button: str


BULK = {
    Action.CANCEL: BulkTexts("Cancel", "Cancel jobs", "Cancel these jobs"),
    Action.RETRY: BulkTexts("Retry", "Retry jobs", "Start these jobs again"),
    Action.ACKNOWLEDGE: BulkTexts("Acknowledge", "Acknowledge jobs", "Acknowledge these jobs"),
}
INFINITE = math.inf
AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


def name_link(action: Action, count: int | None = None) -> str:
    """Return what the link to a bulk action says, with the number of jobs if that is known."""
    return f"{BULK[action].link}{'' if count is None else f' {count:,}'} …"


def shorten(text: str, max_characters: int = MAX_TITLE_CHARACTERS) -> str:
    """Return the text in one line, cut between words."""
    line = re.sub(r"\s+", " ", text).strip()
    if len(line) <= max_characters:
        return line
    cut = line[:max_characters].rpartition(" ")[0]
    return f"{cut or line[:max_characters]} …"


def title(job: Job, max_characters: int = MAX_TITLE_CHARACTERS) -> str:
    """Return a job's title: its prompt, or its action if it has none."""
    return shorten(job.prompt, max_characters) or f"{job.action}, without a prompt"


def age(at: datetime, now: datetime) -> str:
    """Return how long ago that was, in the largest unit; live.js updates it."""
    seconds = (now - at).total_seconds()
    for length, unit in AGES:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "now"


def cost_of_cancel(job: Job) -> str:
    """Return what cancelling the job leaves to pay; empty if it cannot be cancelled."""
    if job.state not in CANCELS:
        return ""
    if job.charged is Charged.NO:
        return f"Nothing was {'accepted' if job.was_sent else 'sent'} yet: {FREE}."
    return f"{CANCELS[job.state]}: {CHARGES[job.charged]}."


def cost_of_retry(job: Job) -> str:
    """Return what a retry of the job would cost; empty if there is nothing to retry."""
    if job.state not in STATES_FOR[Action.RETRY]:
        return ""
    return RETRIES[job.charged] if is_paid_retry(job) else DOWNLOADS_AGAIN


def cost_of_acknowledge(job: Job) -> str:
    """Return what acknowledging the job means; empty if it cannot be acknowledged."""
    return ACKNOWLEDGES if job.state in STATES_FOR[Action.ACKNOWLEDGE] else ""


def format_usd(usd: float) -> str:
    """Return an amount with two decimals; below a dollar with as many as it has, up to six."""
    places = 2 if abs(usd) >= 1 else 6
    whole, _, decimals = f"{abs(usd):,.{places}f}".partition(".")
    return f"{'-' if usd < 0 else ''}${whole}.{decimals.rstrip('0'):0<2}"


def format_cost(job: Job) -> str:
    """Return what a job costs so far; empty if nothing was charged."""
    found = job.cost
    amount = f"{found.credits:g} credits" if found.usd is None else format_usd(found.usd)
    about = "about " if found.estimated else ""
    parts = [about + amount] if found.credits else []
    if found.unpriced:
        tasks = "1 task" if found.unpriced == 1 else f"{found.unpriced} tasks"
        parts.append(f"{tasks} of unknown price")
    return " and ".join(parts)


def find_usd(job: Job) -> float | None:
    """Return what a job costs so far in dollars, else what it is expected to; None if unknown."""
    if job.cost.usd:
        return job.cost.usd
    estimate = estimate_usd(job)
    return None if estimate is None else estimate / MICRO


def capitalize(text: str) -> str:
    """Return a text with its first letter in upper case, and the others as they are."""
    return text[:1].upper() + text[1:]


def is_video(image: Image) -> bool:
    """Return whether the image is a video, which has no thumbnail."""
    return (image.content_type or "").startswith("video/")


def cover(job: Job) -> Image | None:
    """Return the job's first saved image, else its first saved video, or None."""
    saved = [image for image in job.images if image.uri]
    return min(saved, key=is_video, default=None)


def list_views(job: Job) -> list[str]:
    """Return what lightbox.js shows of a job, its cover first: the names of saved images."""
    saved = sorted((image for image in job.images if image.uri), key=is_video)
    return [name_view(job, image) for image in saved]


def name_view(job: Job, image: Image) -> str:
    """Return what an image is to lightbox.js: `job_01.../0`, and a video `job_01.../0/video`."""
    return f"{job.id}/{image.index}{'/video' if is_video(image) else ''}"


def thumbnail_size(image: Image) -> Size:
    """Return the size of its thumbnail, so that the layout is stable before it loads."""
    width, height = image.width or THUMBNAIL_PX, image.height or THUMBNAIL_PX
    scale = min(1.0, THUMBNAIL_PX / max(width, height))
    return Size(max(1, round(width * scale)), max(1, round(height * scale)))
