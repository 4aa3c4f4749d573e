"""How long commands take, and how long `imagequeue up` takes to be ready.

    python -m benchmarks.startup

`up` prints `ready` once the API answers /healthz, the receiver /readyz, Flower /healthcheck, and
each worker a ping. When each process was up is read from its own log lines.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from benchmarks.system import BIN, exit_on_sigterm
from imagequeue.producer.local.ports import free_port

IMAGEQUEUE = str(BIN / "imagequeue")
HELP_COMMANDS = ("--help", "submit --help", "list --help", "keys list --help", "up --help")
# Each in a process of its own, compared with one that does nothing.
PROGRAMS = (
    "pass",
    "from imagequeue import Client",
    "from imagequeue import Client; Client('http://a')",
)
# These read from Redis while a queue runs.
READ_COMMANDS = ("list --limit 5", "keys list", "callbacks counts")
# The line that each process prints once it is up, as `up` shows it: name | line.
UP_LINES = {
    "redis": r"up \| redis: ",
    "sandbox": r"sandbox \| sandbox listening",
    "receiver": r"receiver \| .*Uvicorn running",
    "API": r"api \| .*Uvicorn running",
    "worker": r"worker \| .*worker@.* ready",
    "downloader": r"downloader \| .*downloader@.* ready",
    "notifier": r"notifier \| .*notifier@.* ready",
    "Flower": r"flower \| .*Visit me",
    "**ready**": r"ready ",
}
# The part of a command line that identifies a process.
COMMAND_PARTS = {
    "redis": "valkey-server",
    "sandbox": "imagequeue.sandbox",
    "receiver": "worker.receiver",
    "API": "producer.api",
    "worker": "submit,poll",
    "downloader": "download ",
    "notifier": "notify ",
    "Flower": "flower",
}


class Start(NamedTuple):
    """One `up`: for each process the seconds until it was up, and its CPU seconds."""

    up_after_s: dict[str, float]
    cpu_s: dict[str, float]


def time_commands(runs: int, arguments: tuple[str, ...], folder: Path) -> None:
    """Run each command in turn, and print a row for it."""
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


def time_programs(runs: int) -> None:
    """Run each program in turn, and print what it takes longer than a bare Python."""
    took: dict[str, list[float]] = {each: [] for each in PROGRAMS}
    for _ in range(runs):
        for each, times in took.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", each], check=True)
            times.append((time.perf_counter() - started) * 1000)
    bare = median(took.pop(PROGRAMS[0]))
    print(f"\n| beyond bare Python ({bare:.0f} ms), {runs} runs | median, ms (target 150) |")
    print("|---|---|")
    for each, times in took.items():
        print(f"| `{each}` | {median(times) - bare:.0f} |", flush=True)


def start_up(folder: Path, reads: int) -> Start:
    """Run `imagequeue up --sandbox` until it is ready, and time some reads beside it."""
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
    up_after_s: dict[str, float] = {}
    try:
        for line in process.stdout or ():
            for name, pattern in UP_LINES.items():
                if re.match(rf"\s*{pattern}", line):
                    up_after_s.setdefault(name, time.monotonic() - started)
            if "**ready**" in up_after_s:
                break
        cpu_s = _cpu_s(process.pid)
        if reads:
            time_commands(reads, READ_COMMANDS, folder)
        return Start(up_after_s, cpu_s)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _cpu_s(pid: int) -> dict[str, float]:
    parent = psutil.Process(pid)
    used = {"up itself": _own_cpu_s(parent)}
    for child in parent.children(recursive=True):
        line = " ".join(child.cmdline()) + " "
        name = next((name for name, part in COMMAND_PARTS.items() if part in line), "up itself")
        used[name] = used.get(name, 0.0) + _own_cpu_s(child)
    return used


def _own_cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Measure commands and starts, and print their tables."""
    parser = argparse.ArgumentParser(description="How long commands and starts take.")
    parser.add_argument("--runs", type=int, default=20, help="of each command")
    parser.add_argument("--ups", type=int, default=5)
    options = parser.parse_args()
    exit_on_sigterm()
    print(f"| {options.runs} runs | median, ms (target 300) | lowest to highest |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        time_commands(options.runs, HELP_COMMANDS, Path(folder))
        starts = [start_up(Path(folder), options.runs)]
    time_programs(options.runs)
    for _ in range(options.ups - 1):
        with tempfile.TemporaryDirectory() as folder:
            starts.append(start_up(Path(folder), 0))
    print(
        f"\n| `imagequeue up --sandbox`, {options.ups} runs on {os.cpu_count()} cores "
        "| up after, s | lowest to highest | CPU s until ready |"
    )
    print("|---|---|---|---|")
    for name in UP_LINES:
        times = [start.up_after_s[name] for start in starts]
        cpu = [start.cpu_s.get(name, sum(start.cpu_s.values())) for start in starts]
        row = f"{median(times):.1f} | {min(times):.1f} to {max(times):.1f} | {median(cpu):.2f}"
        print(f"| {name}{' (target 5 s)' if name not in COMMAND_PARTS else ''} | {row} |")


if __name__ == "__main__":
    main()
