"""The short form of `make chaos`: processes are killed at random, and the promises hold."""

import random
from pathlib import Path

from benchmarks import chaos


def test_random_kills_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    verdict = chaos.run(60, seed, tmp_path, unconfirmed_after_s="12")
    table = chaos.format_report(verdict, seed, 0)
    assert verdict.accepted >= 60, table
    assert (verdict.lost, verdict.paid_twice, verdict.missing_or_corrupt) == (0, 0, 0), table
    assert verdict.struck, table
