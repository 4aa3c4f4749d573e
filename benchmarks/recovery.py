"""Recovery: the only worker is killed in the middle of its work, and started again.

    python -m benchmarks.recovery --rounds 5

With the default settings. For every job that was not at its end when the worker died, the time from
the kill to its next move.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from benchmarks.system import System, until
from imagequeue.jobs.job import Job
from imagequeue.producer.client import Client

# In flight for two seconds, then a second's work: the kill meets submissions, waits and downloads.
PROMPT = "recovery [answer=slow:2] [slow=1]"
JOBS = 40
BEFORE_KILL_S = 3.0
PROVIDERS = ("kie-flux-kontext", "acedata-flux")


def one_round(system: System, client: Client) -> list[float]:
    """Kill the worker over a handful of jobs; returns each job's seconds to its next move."""
    ids = [client.submit(PROVIDERS[n % 2], PROMPT).id for n in range(JOBS)]
    time.sleep(BEFORE_KILL_S)
    system.kill("worker-0")
    killed_at = datetime.now(UTC)
    live = [job_id for job_id in ids if not client.get(job_id).is_finished]
    system.start("worker-0")
    until(lambda: all(_moved_after(client.get(job_id), killed_at) for job_id in live), 90)
    waits = [_moved_after(client.get(job_id), killed_at) for job_id in live]
    until(lambda: all(client.get(job_id).is_finished for job_id in ids), 120)
    return [(at - killed_at).total_seconds() for at in waits if at]


def _moved_after(job: Job, moment: datetime) -> datetime | None:
    return next((change.at for change in job.changes if change.at > moment), None)


def main() -> None:
    """Measure, and print a table with the bound that the settings promise."""
    parser = argparse.ArgumentParser(description="How long a killed worker costs its jobs.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder), {"log_level": "WARNING"}, ("--kie-limit", "0"), workers=1)
        try:
            system.start_all()
            client = Client(system.settings)
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
