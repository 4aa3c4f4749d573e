"""The short form of `benchmarks.download_kills`: no picture is lost, or half there, by a kill."""

import random
from pathlib import Path

from benchmarks import download_kills


def test_pictures_are_whole_or_not_there_whenever_their_workers_are_killed(
    tmp_path: Path,
) -> None:
    seed = random.randrange(10**6)
    verdict = download_kills.run(8, seed, tmp_path)
    table = download_kills.report(verdict, seed, 0)
    assert verdict.succeeded == verdict.jobs, table
    assert (verdict.not_whole, verdict.missing) == (0, 0), table
    assert verdict.under_way, table
    assert verdict.looks >= 4 * verdict.jobs, table
