"""The stacks: how each is started, with which settings, and what it does not guarantee."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).with_name("programs")
QUEUES = "submit,poll,callback,download,notify"
HOME = Path(__file__).resolve().parents[2] / ".venv" / "peers"


@dataclass(frozen=True, kw_only=True)
class Size:
    """Processes of a stack, and how much each does at once."""

    processes: int
    at_once: int

    def __str__(self) -> str:
        return f"{self.processes} x {self.at_once}"

    @classmethod
    def of(cls, text: str) -> Size:
        """`2x16`."""
        processes, at_once = map(int, text.split("x"))
        return cls(processes=processes, at_once=at_once)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One queue with workers, and the program of the job in it."""

    name: str
    size: Size
    requirements: tuple[str, ...] = ()
    """Its own environment; without any it runs in this one."""
    commands: Callable[[Path, Size], list[list[str]]]
    """The commands of its workers, whose programs lie in the folder `bin`."""
    ready: str
    """What the log says once for each process that takes work."""
    settings: str
    not_guaranteed: str
    """What becomes of a job that was paid for when something dies."""

    @property
    def program(self) -> Path:
        """Submits jobs, as `python PROGRAM FIRST END`."""
        return PROGRAMS / f"{self.name}_jobs.py"

    def bin(self) -> Path:
        """The folder of its programs, made with pip at the first call."""
        if not self.requirements:
            return Path(sys.executable).parent
        made = HOME / self.name / "made"
        wanted = "\n".join(self.requirements)
        if not made.exists() or made.read_text() != wanted:
            print(f"making an environment for {self.name} ...", file=sys.stderr, flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", made.parent], check=True)
            pip = [str(made.parent / "bin" / "pip"), "install", "--quiet"]
            subprocess.run([*pip, *self.requirements], check=True)
            made.write_text(wanted)
        return made.parent / "bin"


def _imagequeue(folder: Path, size: Size) -> list[list[str]]:
    return _celery_workers(folder, size, "imagequeue.worker", ["-Q", QUEUES])


def _celery(folder: Path, size: Size) -> list[list[str]]:
    return _celery_workers(folder, size, "celery_jobs", ["--loglevel", "INFO"])


def _celery_workers(folder: Path, size: Size, app: str, more: list[str]) -> list[list[str]]:
    return [
        [
            *(str(folder / "celery"), "-A", app, "worker", "-P", "threads"),
            *("-c", str(size.at_once), "-n", f"worker-{number}@%h"),
            *("--without-gossip", "--without-mingle", *more),
        ]
        for number in range(size.processes)
    ]


def _dramatiq(folder: Path, size: Size) -> list[list[str]]:
    processes, threads = ["--processes", str(size.processes)], ["--threads", str(size.at_once)]
    return [[str(folder / "dramatiq"), "dramatiq_jobs", *processes, *threads]]


def _taskiq(folder: Path, size: Size) -> list[list[str]]:
    workers, tasks = ["--workers", str(size.processes)], ["--max-async-tasks", str(size.at_once)]
    return [[str(folder / "taskiq"), "worker", "taskiq_jobs:broker", *workers, *tasks]]


def _arq(folder: Path, size: Size) -> list[list[str]]:
    return [[str(folder / "arq"), "arq_jobs.WorkerSettings"] for _ in range(size.processes)]


STACKS = {
    stack.name: stack
    for stack in (
        Stack(
            name="imagequeue",
            size=Size(processes=2, at_once=16),
            commands=_imagequeue,
            ready=" ready.",
            settings="threads, requests; first look-up after 10 ms instead of a minute, "
            "every other setting as it is by default",
            not_guaranteed="-",
        ),
        Stack(
            name="celery",
            size=Size(processes=2, at_once=16),
            requirements=("celery[redis]==5.7.0", "requests==2.34.2"),
            commands=_celery,
            ready=" ready.",
            settings="threads, requests; late acknowledgement, prefetch 1, no results",
            not_guaranteed="",
        ),
        Stack(
            name="dramatiq",
            size=Size(processes=2, at_once=16),
            requirements=("dramatiq[redis]==2.2.1", "requests==2.34.2"),
            commands=_dramatiq,
            ready="Worker process is ready for action.",
            settings="threads, requests; no second try of the submission",
            not_guaranteed="",
        ),
        Stack(
            name="taskiq",
            size=Size(processes=2, at_once=16),
            requirements=("taskiq==0.13.0", "taskiq-redis==1.2.4", "aiohttp==3.14.5"),
            commands=_taskiq,
            ready="Listening started.",
            settings="stream broker, acknowledged when executed, aiohttp",
            not_guaranteed="",
        ),
        Stack(
            name="arq",
            size=Size(processes=2, at_once=16),
            requirements=("arq==0.28.0", "aiohttp==3.14.5"),
            commands=_arq,
            ready="Starting worker",
            settings="aiohttp; no results kept",
            not_guaranteed="",
        ),
    )
}
