"""What became of the jobs of a run, compared with what the sandbox sold."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from statistics import quantiles
from tempfile import TemporaryFile
from typing import NamedTuple

from benchmarks.chaos.costs import count_miscounted
from benchmarks.chaos.faults import Faults
from benchmarks.chaos.planned import PlannedFaults
from benchmarks.system import System
from imagequeue.jobs.job import Job, State
from imagequeue.producer.client import LocalClient
from imagequeue.storage import Storage, StorageError, open_storage
from imagequeue.storage.media.validate import NotMediaError, validate_media


class Verdict(NamedTuple):
    """The result of a run."""

    hosts: str
    """How there are several; empty for one."""
    jobs: int
    accepted: int
    ends: Counter[str]
    lost: int
    paid_twice: int
    missing_or_corrupt: int
    miscounted: int
    """Jobs whose cost, or whose entries in the ledger, differ from what the sandbox charged."""
    recoveries_s: list[float]
    struck: Counter[str]
    ended_by_themselves: int
    misplaced: int | None = None
    """Jobs that are not in the archive alone at the end; None without one."""

    @property
    def clean(self) -> bool:
        """Return whether the promises held."""
        broken = (self.lost, self.paid_twice, self.missing_or_corrupt, self.miscounted)
        return not (any(broken) or self.misplaced)


def judge(
    system: System,
    client: LocalClient,
    hosts: str,
    jobs: int,
    accepted: Sequence[str],
    faults: Faults,
    planned: PlannedFaults,
) -> Verdict:
    """Count what is wrong once every fault is over, and every job should have ended."""
    found = {job.id: job for job in _all_jobs(client)}
    ends = Counter(_format_end(job) for job in found.values())
    lost = sum(job_id not in found for job_id in accepted)
    lost += sum(not job.is_finished for job in found.values())
    sold = [json.loads(line) for line in system.accepted.read_text().splitlines()]
    payments = Counter(each["prompt"] for each in sold)
    storage = open_storage(system.settings.images_url, system.folder)
    broken = sum(
        not _is_complete(storage, image.uri, image.sha256)
        for job in found.values()
        for image in job.images
        if image.state == "stored" or (job.state is State.SUCCEEDED and image.kind == "result")
    )
    changes = sorted(change.at for job in found.values() for change in job.changes)
    return Verdict(
        hosts=hosts,
        jobs=jobs,
        accepted=len(found),
        ends=ends,
        lost=lost,
        paid_twice=sum(count > 1 for count in payments.values()),
        missing_or_corrupt=broken,
        miscounted=count_miscounted(system.redis.url, [*found.values()], sold),
        recoveries_s=_recoveries(faults.kills, changes),
        struck=faults.struck + planned.struck,
        ended_by_themselves=system.revived,
    )


def _all_jobs(client: LocalClient) -> list[Job]:
    jobs: list[Job] = []
    cursor = None
    while True:
        page = client.list(limit=500, cursor=cursor)
        jobs += page.jobs
        if (cursor := page.cursor) is None:
            return jobs


def _format_end(job: Job) -> str:
    reason = job.error.reason if job.error else None
    return f"{job.state} ({reason})" if reason else job.state.value


def _is_complete(storage: Storage, uri: str | None, sha256: str | None) -> bool:
    try:
        content = b"".join(storage.open(uri or "").chunks)
        with TemporaryFile(buffering=0) as file:
            file.write(content)
            validate_media(file)
    except (OSError, StorageError, NotMediaError):
        return False
    return hashlib.sha256(content).hexdigest() == sha256


def _recoveries(kills: list[datetime], changes: list[datetime]) -> list[float]:
    """Return the seconds from each kill to the next transition of any job."""
    waits = (min((at for at in changes if at > kill), default=None) for kill in kills)
    return sorted((at - kill).total_seconds() for kill, at in zip(kills, waits, strict=True) if at)


def format_report(verdict: Verdict, seed: int, took_s: float) -> str:
    """Return the verdict as a Markdown table."""
    # At least two values, so that a run without a kill has quantiles.
    waits_s = [*verdict.recoveries_s, *([0.0] * (2 - len(verdict.recoveries_s)))]
    cuts = quantiles(waits_s, n=100, method="inclusive")
    rows = {
        "seed": seed,
        **({"hosts": verdict.hosts} if verdict.hosts else {}),
        "seconds": f"{took_s:.0f}",
        "faults": ", ".join(f"{name} {n}" for name, n in sorted(verdict.struck.items())),
        "processes that ended by themselves": verdict.ended_by_themselves,
        "jobs": verdict.jobs,
        "accepted": verdict.accepted,
        **dict(sorted(verdict.ends.items())),
        "**lost**": verdict.lost,
        "**paid twice**": verdict.paid_twice,
        "**images missing or corrupt**": verdict.missing_or_corrupt,
        "**costs that differ from the sandbox's books**": verdict.miscounted,
        **(
            {} if verdict.misplaced is None else {"**not in the archive alone**": verdict.misplaced}
        ),
        "kill to next transition, s": f"p50 {cuts[49]:.2f}, p99 {cuts[98]:.2f}, "
        f"max {max(waits_s):.2f}",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])
