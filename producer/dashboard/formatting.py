"""What the page says of a job: its title, its age, its pictures, and what a button costs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from ...jobs.job import Image, Job, State
from ..commands import FREE, MAY_STAND, STANDS

TITLE = 90
THUMBNAIL_PX = 320

# Colours come second: the state's name always stands beside them.
_S = State
TONES = {
    **dict.fromkeys((_S.QUEUED, _S.SUBMITTING, _S.WAITING, _S.DOWNLOADING), "moving"),
    **dict.fromkeys((_S.UNCONFIRMED, _S.OVERDUE, _S.UNSAVED), "odd"),
    _S.SUCCEEDED: "good",
    _S.FAILED: "bad",
    _S.CANCELLED: "over",
}
CANCELS = {
    _S.QUEUED: f"Nothing was sent yet: {FREE}.",
    _S.WAITING: f"The provider has it: {STANDS}.",
    _S.OVERDUE: f"The provider has it: {STANDS}.",
    _S.UNCONFIRMED: f"It may have been sent: {MAY_STAND}.",
}
RETRIES = {
    _S.UNSAVED: f"The pictures are fetched once more, {FREE}.",
    _S.FAILED: "The request is sent once more, and the provider charges for it again.",
    _S.UNCONFIRMED: "It may have been paid for already. The request is sent once more, and the "
    "provider charges for that too.",
}
AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


def shortened(text: str, most: int = TITLE) -> str:
    """The text in one line, cut between words."""
    line = re.sub(r"\s+", " ", text).strip()
    if len(line) <= most:
        return line
    cut = line[:most].rpartition(" ")[0]
    return f"{cut or line[:most]} …"


def title(job: Job, most: int = TITLE) -> str:
    """What a job is called: its prompt, or what it does to another one's picture."""
    return shortened(job.prompt, most) or f"{job.action}, without a prompt"


def age(at: datetime, now: datetime) -> str:
    """How long ago that was, in its largest unit; live.js counts on from here."""
    seconds = (now - at).total_seconds()
    for length, unit in AGES:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "now"


def is_video(image: Image) -> bool:
    """Whether it moves; then there is no thumbnail of it."""
    return (image.content_type or "").startswith("video/")


def cover(job: Job) -> Image | None:
    """What stands for the job: its first saved picture, or video where it has none."""
    saved = [image for image in job.images if image.uri]
    return min(saved, key=lambda image: (is_video(image), image.kind != "result"), default=None)


def thumbnail_size(image: Image) -> Size:
    """How large its thumbnail will be, so that nothing jumps when it is there."""
    width, height = image.width or THUMBNAIL_PX, image.height or THUMBNAIL_PX
    scale = min(1.0, THUMBNAIL_PX / max(width, height))
    return Size(max(1, round(width * scale)), max(1, round(height * scale)))
