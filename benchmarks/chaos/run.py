"""A run: jobs are submitted during faults, and waited for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.chaos.archive import count_misplaced
from benchmarks.chaos.faults import PAUSE_OF_HOSTS_S, PAUSE_S, SANDBOX_FAULTS, Faults
from benchmarks.chaos.planned import PlannedFaults
from benchmarks.chaos.site import Setup, open_site
from benchmarks.chaos.verdict import Verdict, judge
from benchmarks.system import System
from imagequeue.errors import ApiUnavailableError, RedisUnavailableError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient

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
PLAIN = Setup()
CAT = ("https://example.com/cat.png",)
KINDS: list[dict[str, Any]] = [
    {"provider": "kie-flux-kontext"},
    {"provider": "kie-flux-kontext", "action": "edit", "image_urls": CAT, "delivery": "poll"},
    {"provider": "kie-midjourney"},
    {"provider": "kie", "params": MODEL},
    {"provider": "acedata-flux"},
    {"provider": "acedata-flux", "delivery": "poll"},
]


def run(
    jobs: int,
    seed: int,
    folder: Path,
    setup: Setup = PLAIN,
    kind: type[System] = System,
    **settings: str,
) -> Verdict:
    """Submit jobs during faults, wait until every job has ended, and count."""
    sandbox = (*SANDBOX, "--seed", str(seed), *_fault_flags())
    with ExitStack() as stack:
        site = open_site(stack, folder, setup, SETTINGS | settings, sandbox, kind)
        system = site.system
        pause_s = PAUSE_OF_HOSTS_S if setup.hosts else PAUSE_S
        faults = Faults(system, seed, pause_s, kills_redis=not setup.sentinel)
        planned = PlannedFaults(site.planned, seed, setup.planned)
        # First of all: a fault would start processes again that nobody stops.
        stack.callback(planned.stop)
        stack.callback(faults.stop)
        site.start()
        faults.start()
        planned.start()
        jobs_a_second = min(JOBS_A_SECOND, jobs / max(planned.lasts_s, 1))
        accepted = _submit(site.open_submit(), jobs, jobs_a_second, random.Random(seed))
        planned.finish()
        client = LocalClient(system.settings)
        _wait(system, client, until_live=max(1, jobs // 20))
        faults.stop()
        _wait(system, client, until_live=0)
        verdict = judge(system, client, site.hosts, jobs, accepted, faults, planned)
        if not setup.archive:
            return verdict
        return verdict._replace(misplaced=count_misplaced(client, {*accepted}))


def _fault_flags() -> list[str]:
    return [
        text for name, rate in SANDBOX_FAULTS.items() for text in ("--faults", f"{name}={rate}")
    ]


def _submit(
    submit: Callable[..., Any], jobs: int, jobs_a_second: float, rng: random.Random
) -> list[str]:
    """Submit jobs with different prompts, and return the ids of those that were accepted."""
    ids: list[str] = []
    number = 0
    while len(ids) < jobs:
        number += 1
        try:
            ids.append(submit(prompt=f"chaos {number}", **rng.choice(KINDS)).id)
        except (RedisUnavailableError, ApiUnavailableError):
            # It may have been accepted or not: submit another, as any service would.
            time.sleep(0.1)
        time.sleep(rng.expovariate(jobs_a_second))
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
