"""The result of a run: the disk compared with the records and with the image host."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from benchmarks.download_kills.image_host import ImageHost, make_image
from benchmarks.download_kills.watcher import Watcher, is_complete, iter_final_files
from imagequeue.jobs.job import Image, State
from imagequeue.store.jobs import Store


class Verdict(NamedTuple):
    """What a run counted."""

    kills: int
    interrupted: int
    """Transfers that a kill interrupted."""
    jobs: int
    succeeded: int
    looks: int
    incomplete: int
    """Files at a final name that were incomplete when first seen, or at the end."""
    missing: int
    twice: int
    """Images sent completely more than once: their worker died before it recorded them."""
    left_over: int
    """Unfinished files under `.incoming`, where they belong until they are swept."""

    @property
    def clean(self) -> bool:
        """Return whether the promises held."""
        return self.succeeded == self.jobs and not (self.incomplete or self.missing)


def judge(
    store: Store, host: ImageHost, watcher: Watcher, folder: Path, kills: int, ids: list[str]
) -> Verdict:
    """Compare the files in `folder` with the records, and with what the host served."""
    watcher.stop()
    watcher.look()
    jobs = store.get_many(ids)
    at_end = {path for path in iter_final_files(folder) if not is_complete(path)}
    return Verdict(
        kills=kills,
        interrupted=host.interrupted,
        jobs=len(ids),
        succeeded=sum(job.state is State.SUCCEEDED for job in jobs),
        looks=len(watcher.seen),
        incomplete=len(watcher.incomplete | at_end),
        missing=sum(not _is_saved(image) for job in jobs for image in job.images),
        twice=sum(count > 1 for count in host.complete.values()),
        left_over=len(list((folder / ".incoming").glob("*.part"))),
    )


def _is_saved(image: Image) -> bool:
    """Return whether an image is on disk with the host's bytes and the recorded SHA-256."""
    path = Path(unquote(urlsplit(image.uri or "").path))
    data = make_image(urlsplit(image.source_url).path)
    sha256 = hashlib.sha256(data).hexdigest()
    return path.is_file() and path.read_bytes() == data and image.sha256 == sha256


def format_report(verdict: Verdict, seed: int, took_s: float) -> str:
    """Return the verdict as a Markdown table."""
    rows = {
        "seed": seed,
        "seconds": f"{took_s:.0f}",
        "kills (SIGKILL)": verdict.kills,
        "transfers that they interrupted": verdict.interrupted,
        "jobs": verdict.jobs,
        "**succeeded**": verdict.succeeded,
        "files checked as they appeared": verdict.looks,
        "**incomplete at a final name**": verdict.incomplete,
        "**images missing**": verdict.missing,
        "images downloaded more than once": verdict.twice,
        "unfinished files, none at a final name": verdict.left_over,
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])
