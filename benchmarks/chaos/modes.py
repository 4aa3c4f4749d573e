"""What else is wrong during a whole run of `benchmarks.chaos`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.system import System

MODES = {
    "plain": "nothing else",
    "full-disk": "workers and receiver log to a full disk",
    "clock-ahead": "the clock of one worker is an hour ahead",
    "prefork": "workers fork their pool",
    "limits": "two keys, budgets, and kie takes one task of each key in 10 s",
    "failover": "a crash of Redis is a failover to its replica, behind the same address",
}
FULL_DISK = Path("/dev/full")
LIMITS = {
    # The sandbox's clock runs 60 times as fast.
    "kie_rate_limit": "1/0.17",
    "kie_max_in_flight": "20",
    "kie_api_keys": "sandbox:sandbox,spare:another",
    "max_in_flight": "60",
    "budgets": "1000000kie/day,1000000usd/month",
}


def apply_mode(mode: str, system: System) -> None:
    """Change how the processes of a system start."""
    if mode == "full-disk":
        system.log_files = dict.fromkeys((*system.workers, "receiver"), FULL_DISK)
    if mode == "clock-ahead":
        replace(system.commands["worker-0"], "imagequeue.worker", "benchmarks.worker_ahead")
    if mode == "prefork":
        for name in system.workers:
            replace(system.commands[name], "threads", "prefork")


def replace(words: list[str], old: str, new: str) -> None:
    """Replace a word of a command."""
    words[words.index(old)] = new
