"""Jobs over three providers while their processes are killed: is one lost, or paid twice?

    python -m benchmarks.chaos --jobs 1000 --seed 7

Exits with status 1 if a job was lost or paid twice, an image is missing or corrupt, or the
ledger differs from what the sandbox charged.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.chaos.archive import ARCHIVES
from benchmarks.chaos.hosts import isolate
from benchmarks.chaos.modes import MODES
from benchmarks.chaos.run import run
from benchmarks.chaos.site import Setup
from benchmarks.chaos.verdict import format_report
from benchmarks.system import exit_on_sigterm

BRIEF_SETTINGS = {"unconfirmed_after_s": "12"}


def main() -> None:
    """Run once, print the table, and exit with status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description="Kill processes, and count what was lost.")
    parser.add_argument("--jobs", type=int, help="by default 300, or 40")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--mode", choices=MODES, default="plain")
    parser.add_argument("--broker", choices=("redis", "amqp"), default="redis")
    parser.add_argument("--hosts", type=int, default=0, help="hosts with a worker each")
    parser.add_argument("--sentinel", action="store_true", help="Redis with replicas and Sentinels")
    parser.add_argument("--archive", choices=ARCHIVES, default="", help="where jobs move soon")
    parser.add_argument("--brief", action="store_true", help="as in the tests: half a minute")
    parser.add_argument("--keep", type=Path, help="write logs, jobs and images to this folder")
    options = parser.parse_args()
    if options.hosts:
        isolate()
    exit_on_sigterm()
    print(f"seed {options.seed}: {MODES[options.mode]}", flush=True)
    setup = Setup(options.mode, options.broker, options.hosts, options.sentinel)
    setup = setup._replace(archive=options.archive)
    settings = {}
    if options.brief:
        setup, settings = setup._replace(cut_s=4.0, planned=1), BRIEF_SETTINGS
    jobs = options.jobs or (40 if options.brief else 300)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        verdict = run(jobs, options.seed, folder.resolve(), setup, **settings)
        print(format_report(verdict, options.seed, time.monotonic() - started))
    sys.exit(0 if verdict.clean else 1)


if __name__ == "__main__":
    main()
