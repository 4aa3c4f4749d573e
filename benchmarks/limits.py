"""Jobs leave within the account's limit, in order, and fairly between callers.

    python -m benchmarks.limits

The sandbox refuses more than 20 submissions of a key in any 10 seconds, as kie.ai does. Three runs,
each with two workers: 295 jobs of one caller with one key; 2,000 jobs of one caller and then a
single one of another; 590 jobs with two keys. It takes six minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import requests

from benchmarks.system import System, exit_on_sigterm, wait_until
from imagequeue.producer.client import LocalClient

TASKS, WINDOW_S = 20, 10
SANDBOX = ("--kie-limit", str(TASKS), "--latency", "5")
SETTINGS = {
    "log_level": "WARNING",
    "kie_rate_limit": f"{TASKS}/{WINDOW_S}",
    "kie_max_in_flight": "100",
}
TWO_KEYS = {"kie_api_keys": "sandbox:sandbox,spare:another"}


class Sent(NamedTuple):
    """When the sandbox accepted a job, called by its prompt."""

    at: float
    prompt: str


@contextmanager
def running(folder: Path, settings: dict[str, str]) -> Iterator[System]:
    """Run a system with limits."""
    folder.mkdir()
    system = System(folder, SETTINGS | settings, SANDBOX)
    try:
        system.start_all()
        yield system
    finally:
        system.stop()


def _submit(system: System, caller: str, count: int) -> None:
    """Submit jobs called `{caller} {number}`, all at once."""
    items = [
        {"provider": "kie-flux-kontext", "prompt": f"{caller} {number}"} for number in range(count)
    ]
    LocalClient(system.settings, name=caller).submit_many(items)


def _read_sent(system: System) -> list[Sent]:
    lines = map(json.loads, system.accepted.read_text().splitlines())
    return [Sent(datetime.fromisoformat(line["at"]).timestamp(), line["prompt"]) for line in lines]


def _count_429(system: System) -> int:
    totals: Any = requests.get(f"{system.sandbox_url}/sandbox/ledger", timeout=10).json()
    return int(totals["total"]["refused"].get("429", 0))


def _wait_for(system: System, count: int) -> list[Sent]:
    timeout_s = 60 + 2 * count / TASKS * WINDOW_S
    wait_until(lambda: system.accepted.exists() and len(_read_sent(system)) >= count, timeout_s)
    return _read_sent(system)


def measure_order(folder: Path, jobs: int, keys: int) -> dict[str, object]:
    """Send the jobs of one caller; return throughput and displacement."""
    with running(folder, TWO_KEYS if keys == 2 else {}) as system:
        _submit(system, "a", jobs)
        sent = _wait_for(system, jobs)
        places = [int(each.prompt.split()[1]) for each in sent]
        moved = [abs(place - number) for place, number in enumerate(places)]
        took_s = sent[-1].at - sent[0].at
        # A window's tasks leave together: the last ones need no window of their own.
        ideal_s = (jobs - 1) // (TASKS * keys) * WINDOW_S
        figures = {
            "answers of 429": _count_429(system),
            "share of the limit": f"{ideal_s / took_s:.1%}",
            "jobs a second": f"{jobs / took_s:.2f}",
            "displacement, mean and max": f"{fmean(moved):.2f}, {max(moved)} places",
        }
        return {f"{jobs} jobs, {keys} key(s): {name}": value for name, value in figures.items()}


def measure_fairness(folder: Path, backlog: int) -> dict[str, object]:
    """Send a single job beside the backlog of another caller; return how long it waited."""
    with running(folder, {}) as system:
        _submit(system, "a", backlog)
        _wait_for(system, TASKS)
        before = len(_read_sent(system))
        _submit(system, "b", 1)
        wait_until(lambda: any(each.prompt == "b 0" for each in _read_sent(system)), 60)
        sent = _read_sent(system)
        place = next(n for n, each in enumerate(sent) if each.prompt == "b 0")
        return {
            f"single job behind {backlog}: jobs that left before it": place - before,
            f"single job behind {backlog}: answers of 429": _count_429(system),
        }


def main() -> None:
    """Measure once, and print a table."""
    parser = argparse.ArgumentParser(description="Jobs within the account's limit.")
    parser.add_argument("--jobs", type=int, default=295)
    parser.add_argument("--backlog", type=int, default=2000)
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = measure_order(folder / "order", options.jobs, 1)
        figures |= measure_fairness(folder / "fair", options.backlog)
        figures |= measure_order(folder / "keys", 2 * options.jobs, 2)
    print("| | |\n|---|---|")
    for what, value in figures.items():
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
