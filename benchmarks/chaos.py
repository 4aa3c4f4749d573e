"""Jobs over three providers while their processes are killed: is one lost, or paid twice?

    python -m benchmarks.chaos --jobs 1000 --seed 7

Exits with status 1 if a job was lost or paid twice, an image is missing or corrupt, or the
ledger differs from what the sandbox charged.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from benchmarks.chaos_costs import count_miscounted
from benchmarks.chaos_modes import MODES, make_system
from benchmarks.faults import SANDBOX_FAULTS, Faults
from benchmarks.system import System, exit_on_sigterm
from imagequeue.errors import RedisUnavailableError
from imagequeue.jobs.job import Job, State
from imagequeue.producer.client import LocalClient
from imagequeue.storage.media.validate import NotMediaError, validate_media

# Seconds in place of minutes; the defaults are longer in the same proportion.
SETTINGS = {
    "lease_s": "3",
    "submit_timeout_s": "2",
    "sweep_every_s": "0.25",
    "poll_countdowns": "1,2,4",
    "poll_tail_s": "4",
    "unconfirmed_after_s": "30",
    "give_up_after_s": "600",
    # The sandbox refuses at random, not by a time window: a longer pause would never end.
    "rate_limit_pause_s": "0.1",
    "log_level": "WARNING",
    # They lead nowhere.
    "check_input_images": "false",
}
SANDBOX = ("--speed", "60", "--latency", "60", "--kie-limit", "0")
MODEL = {"model": "z-image"}
JOBS_A_SECOND = 20.0
CALM_TIMEOUT_S = 240.0
CAT = ("https://example.com/cat.png",)
KINDS: list[dict[str, Any]] = [
    {"provider": "kie-flux-kontext"},
    {"provider": "kie-flux-kontext", "action": "edit", "image_urls": CAT, "delivery": "poll"},
    {"provider": "kie-midjourney"},
    {"provider": "kie", "params": MODEL},
    {"provider": "acedata-flux"},
    {"provider": "acedata-flux", "delivery": "poll"},
]


class Verdict(NamedTuple):
    """The result of a run."""

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

    @property
    def clean(self) -> bool:
        """Return whether the promises held."""
        return not (self.lost or self.paid_twice or self.missing_or_corrupt or self.miscounted)


def run(
    jobs: int,
    seed: int,
    folder: Path,
    mode: str = "plain",
    broker: str = "redis",
    **settings: str,
) -> Verdict:
    """Submit jobs during faults, wait until every job has ended, and count."""
    sandbox = (*SANDBOX, "--seed", str(seed), *_fault_flags())
    system = make_system(mode, folder, SETTINGS | settings, sandbox, broker)
    faults = Faults(system, seed)
    try:
        system.start_all()
        faults.start()
        client = LocalClient(system.settings)
        accepted = _submit(client, jobs, random.Random(seed))
        _wait(system, client, until_live=max(1, jobs // 20))
        faults.stop()
        _wait(system, client, until_live=0)
        return _judge(system, client, jobs, accepted, faults)
    finally:
        # First: a fault would start processes again that nobody stops.
        faults.stop()
        system.stop()


def _fault_flags() -> list[str]:
    return [
        text for name, rate in SANDBOX_FAULTS.items() for text in ("--faults", f"{name}={rate}")
    ]


def _submit(client: LocalClient, jobs: int, rng: random.Random) -> list[str]:
    """Submit jobs with different prompts, and return the ids of those that were accepted."""
    ids: list[str] = []
    number = 0
    while len(ids) < jobs:
        number += 1
        try:
            ids.append(client.submit(prompt=f"chaos {number}", **rng.choice(KINDS)).id)
        except RedisUnavailableError:
            # It may have been accepted or not: submit another, as any service would.
            time.sleep(0.1)
        time.sleep(rng.expovariate(JOBS_A_SECOND))
    return ids


def _wait(system: System, client: LocalClient, until_live: int) -> None:
    deadline = time.monotonic() + CALM_TIMEOUT_S
    while time.monotonic() < deadline:
        if not until_live:
            system.revive()
        try:
            counts = client.counts()
        except RedisUnavailableError:
            continue
        finished = (State.SUCCEEDED, State.FAILED, State.UNSAVED, State.CANCELLED)
        if sum(n for state, n in counts.items() if state not in finished) <= until_live:
            return
        time.sleep(0.2)


def _judge(
    system: System, client: LocalClient, jobs: int, accepted: list[str], faults: Faults
) -> Verdict:
    found = {job.id: job for job in _all_jobs(client)}
    ends = Counter(_format_end(job) for job in found.values())
    lost = sum(job_id not in found for job_id in accepted)
    lost += sum(not job.is_finished for job in found.values())
    sold = [json.loads(line) for line in system.accepted.read_text().splitlines()]
    payments = Counter(each["prompt"] for each in sold)
    broken = sum(
        not _is_complete(image.uri, image.sha256)
        for job in found.values()
        for image in job.images
        if image.state == "stored" or (job.state is State.SUCCEEDED and image.kind == "result")
    )
    changes = sorted(change.at for job in found.values() for change in job.changes)
    return Verdict(
        jobs=jobs,
        accepted=len(found),
        ends=ends,
        lost=lost,
        paid_twice=sum(count > 1 for count in payments.values()),
        missing_or_corrupt=broken,
        miscounted=count_miscounted(system.redis.url, [*found.values()], sold),
        recoveries_s=_recoveries(faults.kills, changes),
        struck=faults.struck,
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


def _is_complete(uri: str | None, sha256: str | None) -> bool:
    path = Path(unquote(urlsplit(uri or "").path))
    try:
        with path.open("rb") as file:
            validate_media(file)
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except (OSError, NotMediaError):
        return False


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
        "kill to next transition, s": f"p50 {cuts[49]:.2f}, p99 {cuts[98]:.2f}, "
        f"max {max(waits_s):.2f}",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def main() -> None:
    """Run once, print the table, and exit with status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description="Kill processes, and count what was lost.")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--mode", choices=MODES, default="plain")
    parser.add_argument("--broker", choices=("redis", "amqp"), default="redis")
    parser.add_argument("--keep", type=Path, help="write logs, jobs and images to this folder")
    options = parser.parse_args()
    exit_on_sigterm()
    print(f"seed {options.seed}: {MODES[options.mode]}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        verdict = run(options.jobs, options.seed, folder, options.mode, options.broker)
        print(format_report(verdict, options.seed, time.monotonic() - started))
    sys.exit(0 if verdict.clean else 1)


if __name__ == "__main__":
    main()
