"""The short form of `make chaos`: processes are killed at random, and the promises hold."""

import random
from pathlib import Path

from benchmarks.chaos.modes import MODES
from benchmarks.chaos.run import run
from benchmarks.chaos.site import Setup
from benchmarks.chaos.verdict import format_report


def test_random_kills_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    # One a run: forked pools start too slowly for this short form, and have tests of their own.
    mode = random.choice([mode for mode in MODES if mode != "prefork"])
    verdict = run(60, seed, tmp_path, Setup(mode), unconfirmed_after_s="12")
    table = f"{mode}: {format_report(verdict, seed, 0)}"
    assert verdict.accepted >= 60, table
    assert verdict.clean, table
    assert verdict.struck, table
