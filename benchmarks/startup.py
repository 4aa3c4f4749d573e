"""How long a command takes to show its help, and `imagequeue up` to be ready.

    python -m benchmarks.startup

`ready` is said once the API answers /healthz, the receiver /readyz, Flower /healthcheck, and each
worker a ping. When a process said that it was up is read off its own lines.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from benchmarks.system import BIN
from imagequeue.producer.local.ports import free_port

IMAGEQUEUE = str(BIN / "imagequeue")
HELPS = ("--help", "submit --help", "list --help", "keys list --help", "up --help")
# They read from Redis, beside a queue that runs.
READS = ("list --limit 5", "keys list", "callbacks counts")
# What each process says once it is up, as `up` shows it: name | line.
SAYS = {
    "redis": r"up \| redis: ",
    "sandbox": r"sandbox \| sandbox listening",
    "receiver": r"receiver \| .*Uvicorn running",
    "API": r"api \| .*Uvicorn running",
    "worker": r"worker \| .*worker@.* ready",
    "downloader": r"downloader \| .*downloader@.* ready",
    "Flower": r"flower \| .*Visit me",
    "**ready**": r"ready ",
}
# The part of a command line that tells whose it is.
RUNS = {
    "redis": "valkey-server",
    "sandbox": "imagequeue.sandbox",
    "receiver": "worker.receiver",
    "API": "producer.api",
    "worker": "submit,poll",
    "downloader": "download ",
    "Flower": "flower",
}


class Start(NamedTuple):
    """One `up`: by process, seconds until it said it was up, and the CPU seconds of all."""

    said: dict[str, float]
    cpu_s: dict[str, float]


def commands(runs: int, arguments: tuple[str, ...], folder: Path) -> None:
    """Each command in turn, and a row for it."""
    took: dict[str, list[float]] = {each: [] for each in arguments}
    for _ in range(runs):
        for each, times in took.items():
            started = time.perf_counter()
            subprocess.run(
                [IMAGEQUEUE, *each.split()], cwd=folder, check=True, stdout=subprocess.DEVNULL
            )
            times.append((time.perf_counter() - started) * 1000)
    for each, times in took.items():
        row = f"{median(times):.0f} | {min(times):.0f} to {max(times):.0f}"
        print(f"| `imagequeue {each}` | {row} |", flush=True)


def up(folder: Path, reads: int) -> Start:
    """Start a queue with a sandbox until it is ready, and end it; rows for reads beside it."""
    names = ("api", "callback", "flower", "sandbox")
    flags = [text for name in names for text in (f"--{name}-port", str(free_port()))]
    started = time.monotonic()
    process = subprocess.Popen(
        [IMAGEQUEUE, "up", "--sandbox", *flags],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    said: dict[str, float] = {}
    try:
        for line in process.stdout or ():
            for name, words in SAYS.items():
                if re.match(rf"\s*{words}", line):
                    said.setdefault(name, time.monotonic() - started)
            if "**ready**" in said:
                break
        cpu_s = _cpu_s(process.pid)
        if reads:
            commands(reads, READS, folder)
        return Start(said, cpu_s)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _cpu_s(pid: int) -> dict[str, float]:
    parent = psutil.Process(pid)
    spent = {"up itself": _own_cpu_s(parent)}
    for child in parent.children(recursive=True):
        line = " ".join(child.cmdline()) + " "
        name = next((name for name, part in RUNS.items() if part in line), "up itself")
        spent[name] = spent.get(name, 0.0) + _own_cpu_s(child)
    return spent


def _own_cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Measure both, and print their tables."""
    parser = argparse.ArgumentParser(description="How long starts take.")
    parser.add_argument("--runs", type=int, default=20, help="of each command")
    parser.add_argument("--ups", type=int, default=5)
    options = parser.parse_args()
    print(f"| {options.runs} runs | median, ms (target 300) | lowest to highest |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        commands(options.runs, HELPS, Path(folder))
        starts = [up(Path(folder), options.runs)]
    for _ in range(options.ups - 1):
        with tempfile.TemporaryDirectory() as folder:
            starts.append(up(Path(folder), 0))
    print(
        f"\n| `imagequeue up --sandbox`, {options.ups} runs on {os.cpu_count()} cores "
        "| says it is up, s | lowest to highest | CPU s until ready |"
    )
    print("|---|---|---|---|")
    for name in SAYS:
        times = [start.said[name] for start in starts]
        cpu = [start.cpu_s.get(name, sum(start.cpu_s.values())) for start in starts]
        row = f"{median(times):.1f} | {min(times):.1f} to {max(times):.1f} | {median(cpu):.2f}"
        print(f"| {name}{' (target 5 s)' if name not in RUNS else ''} | {row} |")


if __name__ == "__main__":
    main()
