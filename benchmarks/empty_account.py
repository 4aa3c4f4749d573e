"""An account runs dry in the middle of many jobs, and is topped up: does one fail, or pay twice?

    python -m benchmarks.empty_account --jobs 300

Exits with status 1 if a job failed, was paid twice, or did not finish.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from benchmarks.system import System, exit_on_sigterm, wait_until
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.pauses import PauseControl

PRICE = 5
SETTINGS = {"log_level": "ERROR", "poll_countdowns": "0.5,0.5", "poll_tail_s": "0.5"}


def run(folder: Path, count: int) -> dict[str, Any]:
    """Run the jobs with half the credit that they need, then with the rest; return figures."""
    credit = PRICE * (count // 2)
    sandbox = ("--kie-limit", "0", "--latency", "0.2", "--credit", str(credit))
    system = System(folder, SETTINGS, sandbox)
    try:
        system.start_all()
        client, pauses = LocalClient(system.settings), PauseControl(system.settings)
        items = [{"provider": "kie-flux-kontext", "prompt": f"image {n}"} for n in range(count)]
        jobs = client.submit_many(items)

        def has_run_dry() -> bool:
            counts = client.counts()
            is_idle = counts[State.QUEUED] + counts[State.SUCCEEDED] == count
            return is_idle and bool(pauses.list_all())

        wait_until(has_run_dry, 60 + count)
        dry, found = client.counts(), [pause.name for pause in pauses.list_all()]
        requests.post(
            f"{system.sandbox_url}/sandbox/credit", json={"credit": credit * 3}, timeout=9
        )
        for name in found:
            pauses.resume(name)
        done = Counter(
            job.state for job in client.as_completed([job.id for job in jobs], 60 + count)
        )
        prompts = [json.loads(line)["prompt"] for line in system.accepted.read_text().splitlines()]
        ledger = requests.get(f"{system.sandbox_url}/sandbox/ledger", timeout=9).json()["total"]
        return {
            "jobs": count,
            "succeeded before the account was empty": dry[State.SUCCEEDED],
            "pauses": ", ".join(found),
            "failed": done[State.FAILED],
            "succeeded": done[State.SUCCEEDED],
            "paid twice": len(prompts) - len(set(prompts)),
            "requests that were refused": ledger["refused"].get("402", 0),
        }
    finally:
        system.stop()


def main() -> None:
    """Run once, and print a table."""
    parser = argparse.ArgumentParser(description="An account that runs dry.")
    parser.add_argument("--jobs", type=int, default=300)
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory() as name:
        figures = run(Path(name), options.jobs)
    print("| | |\n|---|---|")
    for what, value in figures.items():
        print(f"| {what} | {value} |")
    is_bad = figures["failed"] or figures["paid twice"] or figures["succeeded"] < options.jobs
    sys.exit(1 if is_bad else 0)


if __name__ == "__main__":
    main()
