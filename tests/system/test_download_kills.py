"""The short form of `benchmarks.download_kills`: kills lose no image and leave none incomplete."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.download_kills.run import run
from benchmarks.download_kills.verdict import format_report
from support.forked_system import ForkedSystem


def test_kills_leave_every_image_complete_or_absent(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    verdict = run(3, seed, tmp_path, ForkedSystem)
    table = format_report(verdict, seed, 0)
    assert verdict.succeeded == verdict.jobs, table
    assert (verdict.incomplete, verdict.missing) == (0, 0), table
    assert verdict.interrupted, table
    assert verdict.looks >= 4 * verdict.jobs, table
