"""The images that a job starts from, as its page shows them."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...jobs.chain import parse_image
from ...jobs.ids import is_upload_id
from ...jobs.job import Job

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?(?=[/?#]|\Z)", re.IGNORECASE)


class InputImage(NamedTuple):
    """One input: what it is, the URL that shows it, and the site it is loaded from."""

    name: str
    url: str
    page: str = ""
    """The page of the job that made it."""
    origin: str = ""
    """The other site that has it, such as `https://images.example`; empty for ours."""


def list_inputs(job: Job) -> list[InputImage]:
    """Return the input images of a job, those that have a URL here or elsewhere."""
    inputs = []
    for place, given in enumerate(job.image_urls):
        if named := parse_image(given):
            source, index = named
            url = f"/v1/jobs/{source}/images/{index}"
            inputs.append(InputImage("the image of a job", url, page=f"/jobs/{source}"))
        elif is_upload_id(given):
            inputs.append(InputImage("an upload", f"/jobs/{job.id}/inputs/{place}"))
        elif origin := _ORIGIN.match(given):
            inputs.append(InputImage(f"from {origin[0]}", given, origin=origin[0]))
    return inputs
