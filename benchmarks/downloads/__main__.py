"""Images saved a second, from their URLs to the disk, beside a loop over urllib3.

    python -m benchmarks.downloads

The loop downloads, hashes and writes: no job, no validation, no fsync, no retry. It runs as one
process with 32 threads, and as as many processes and threads as the workers. All share one local
image server and one disk, and take turns, so that a noisy machine is noisy for each.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.downloads.bench import Bench, Round
from benchmarks.downloads.urllib3_loop import Urllib3Loop
from benchmarks.downloads.workers import Workers
from benchmarks.system import exit_on_sigterm
from benchmarks.usage import MIB, PeakMemory

PROCESSES, THREADS = 2, 32
# As Midjourney makes them, and the most work for each image.
IMAGES_PER_JOB = (4, 1)
SERVER_ALONE = 1000

Contenders = dict[str, Workers | Urllib3Loop]
Rounds = dict[str, list[Round]]


def images_per_round(options: Any) -> int:
    """Return what each contender downloads in a round: complete jobs of every size."""
    largest = max(IMAGES_PER_JOB)
    return max(largest, int(options.images // options.rounds // largest * largest))


def run_rounds(
    bench: Bench, contenders: Contenders, redis_pid: int, images_per_job: int, options: Any
) -> Rounds:
    """Run rounds of all contenders in turn."""
    images = images_per_round(options)
    rounds: Rounds = {name: [] for name in contenders}
    for nth in range(options.rounds):
        for name, each in list(contenders.items())[:: 1 if nth % 2 else -1]:
            each.prepare(images, images_per_job)
            work = lambda each=each: each.download(images)  # noqa: E731
            rounds[name].append(bench.measure(each.pids, redis_pid, images, work))
            each.clear()
    return rounds


def print_rounds(rounds: Rounds) -> None:
    """Print a row for each contender, and the ratio of the first to each other."""
    for name, runs in rounds.items():
        rates = [each.mb_per_s for each in runs]
        cpu, redis_cpu, server = (
            median(getattr(each, field) for each in runs)
            for field in ("cpu_s_per_gb", "redis_s_per_gb", "server")
        )
        print(
            f"| {name} | {median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} "
            f"| {cpu:.2f} | {redis_cpu:.2f} | {server:.0%} |"
        )
    (_, ours), *others = rounds.items()
    for name, runs in others:
        ratios = [a.mb_per_s / b.mb_per_s for a, b in zip(ours, runs, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| **ratio** to {name} | **{median(ratios):.2f}** | {spread} | | | |", flush=True)


def run(options: Any, folder: Path) -> None:
    """Measure every size of jobs, and print a table."""
    bench = Bench(folder)
    workers = None
    loops: dict[str, Urllib3Loop] = {}
    try:
        workers = Workers(folder, bench.port, PROCESSES, THREADS)
        for processes in (1, PROCESSES):
            name = f"urllib3 alone, {processes} x {THREADS // processes} threads"
            loops[name] = Urllib3Loop(folder, bench.port, processes, THREADS)
        compare(bench, workers, loops, options)
    finally:
        for each in (workers, *loops.values(), bench):
            if each:
                each.stop()


def compare(bench: Bench, workers: Workers, loops: dict[str, Urllib3Loop], options: Any) -> None:
    """Warm up, then print the rounds."""
    processes = [psutil.Process(pid) for pid in workers.pids]
    idle_mib = [process.memory_info().rss / MIB for process in processes]
    peaks = [PeakMemory([process]) for process in processes]
    for peak in peaks:
        peak.start()
    # A round that is not counted: first imports, connections, and pages of the page cache.
    for each in (*loops.values(), workers):
        each.prepare(images_per_round(options), 1)
        each.download(images_per_round(options))
        each.clear()
    server_alone = bench.measure_server(SERVER_ALONE)
    print("| | MB/s, median | lowest to highest | CPU s/GB | Redis, s/GB | image server |")
    print("|---|---|---|---|---|---|")
    for images_per_job in IMAGES_PER_JOB:
        contenders = {f"imagequeue, jobs of {images_per_job}": workers, **loops}
        print_rounds(run_rounds(bench, contenders, workers.redis_pid, images_per_job, options))
    grown = max(peak.stop() - idle for peak, idle in zip(peaks, idle_mib, strict=True))
    print(f"\nserver alone, nothing hashed or written: {server_alone:,.0f} MB/s")
    print(f"workers' memory at its peak, above idle: {grown:.0f} MiB")


def main() -> None:
    """Measure once, and print a table."""
    parser = argparse.ArgumentParser(description="Images saved a second.")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    exit_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="downloads-") as folder:
        run(options, Path(folder))


if __name__ == "__main__":
    main()
