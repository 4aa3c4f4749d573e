"""Kill workers while they download: is an image lost, or incomplete at a final name?

    python -m benchmarks.download_kills --kills 200

Exits with status 1 if a job did not succeed, or if an image was missing or incomplete at any time.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.download_kills.run import run
from benchmarks.download_kills.verdict import format_report
from benchmarks.system import exit_on_sigterm


def main() -> None:
    """Run once, print the table, and exit with status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description="Kill workers while they download.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="download-kills-") as folder:
        started = time.monotonic()
        verdict = run(options.kills, options.seed, Path(folder))
        print(format_report(verdict, options.seed, time.monotonic() - started))
    sys.exit(0 if verdict.clean else 1)


if __name__ == "__main__":
    main()
