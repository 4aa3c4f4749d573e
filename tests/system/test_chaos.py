"""The short form of `make chaos`: everything is killed at random, and the promises hold."""

import random
from pathlib import Path

from benchmarks import chaos


def test_nothing_is_lost_and_nothing_paid_twice_while_everything_is_killed(
    tmp_path: Path,
) -> None:
    seed = random.randrange(10**6)
    verdict = chaos.run(60, seed, tmp_path, unconfirmed_after_s="12")
    table = chaos.report(verdict, seed, 0)
    assert verdict.accepted >= 60, table
    assert (verdict.lost, verdict.paid_twice, verdict.missing_or_corrupt) == (0, 0, 0), table
    assert verdict.struck, table
