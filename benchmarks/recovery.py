"""Recovery: the only worker is killed during its work, and started again.

    python -m benchmarks.recovery --rounds 5

With the default settings. For every job that had not ended when the worker died: the time from the
kill to its next transition.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from benchmarks.system import System, exit_on_sigterm, wait_until
from imagequeue.jobs.job import Job
from imagequeue.producer.client import LocalClient

# Two seconds in flight, then a second of work: the kill hits submissions, polls and downloads.
PROMPT = "recovery [answer=slow:2] [slow=1]"
JOBS = 40
BEFORE_KILL_S = 3.0
PROVIDERS = ("kie-flux-kontext", "acedata-flux")


def one_round(system: System, client: LocalClient) -> list[float]:
    """Kill the worker, and return each live job's seconds to its next transition."""
    ids = [client.submit(PROVIDERS[n % 2], PROMPT).id for n in range(JOBS)]
    time.sleep(BEFORE_KILL_S)
    system.kill("worker-0")
    killed_at = datetime.now(UTC)
    live = [job_id for job_id in ids if not client.get(job_id).is_finished]
    system.start("worker-0")
    wait_until(
        lambda: all(_first_change_after(client.get(job_id), killed_at) for job_id in live), 90
    )
    waits = [_first_change_after(client.get(job_id), killed_at) for job_id in live]
    wait_until(lambda: all(client.get(job_id).is_finished for job_id in ids), 120)
    return [(at - killed_at).total_seconds() for at in waits if at]


def _first_change_after(job: Job, moment: datetime) -> datetime | None:
    return next((change.at for change in job.changes if change.at > moment), None)


def main() -> None:
    """Measure, and print a table with the bound that follows from the settings."""
    parser = argparse.ArgumentParser(description="How long a killed worker delays its jobs.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder), {"log_level": "WARNING"}, ("--kie-limit", "0"), workers=1)
        try:
            system.start_all()
            client = LocalClient(system.settings)
            waits_s = [w for _ in range(options.rounds) for w in one_round(system, client)]
        finally:
            system.stop()
    cuts = quantiles(waits_s, n=100, method="inclusive")
    bound_s = system.settings.lease_s + system.settings.sweep_every_s + 2
    print("| jobs caught | p50, s | p99, s | max, s | lease + sweep + 2 s |")
    print("|---|---|---|---|---|")
    print(
        f"| {len(waits_s)} | {cuts[49]:.1f} | {cuts[98]:.1f} | {max(waits_s):.1f} | {bound_s:g} |"
    )


if __name__ == "__main__":
    main()
