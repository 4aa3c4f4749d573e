"""The short form of `make chaos`: processes are killed at random, and the promises hold."""

import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.chaos.modes import MODES
from benchmarks.chaos.run import run
from benchmarks.chaos.site import Setup
from benchmarks.chaos.verdict import format_report
from benchmarks.system import ROOT
from support.forked_system import ForkedSystem


def test_random_kills_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    # One a run: forked pools start too slowly for this short form, and have tests of their own.
    mode = random.choice([mode for mode in MODES if mode != "prefork"])
    verdict = run(60, seed, tmp_path, Setup(mode), ForkedSystem, unconfirmed_after_s="12")
    table = f"{mode}: {format_report(verdict, seed, 0)}"
    assert verdict.accepted >= 60, table
    assert verdict.clean, table
    assert verdict.struck, table


# Nine servers besides the workers start here, and one of the faults lasts for seconds.
@pytest.mark.timeout(480)
def test_hosts_and_failovers_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    if not find_spec("moto"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("moto is not installed")
    chaos = (sys.executable, "-m", "benchmarks.chaos", "--brief", "--keep", str(tmp_path))
    # A program of its own, which moves into namespaces if it can.
    finished = subprocess.run(
        [*chaos, "--hosts", "2", "--sentinel"], cwd=ROOT, capture_output=True, text=True
    )
    table = finished.stdout + finished.stderr
    assert finished.returncode == 0, table
    assert "| **lost** | 0 |" in table
