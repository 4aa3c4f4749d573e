"""The stacks: how each is started, with which settings, and what it does not guarantee."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environments import bin_of

PROGRAMS = Path(__file__).with_name("programs")
QUEUES = "submit,poll,callback,download,notify"


@dataclass(frozen=True, kw_only=True)
class Size:
    """The processes of a stack, and how many tasks each runs at once."""

    processes: int
    at_once: int

    def __str__(self) -> str:
        return f"{self.processes} x {self.at_once}"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One queue with its workers, and the program of the job in it."""

    name: str
    size: Size
    requirements: tuple[str, ...] = ()
    """Packages of its own environment; without any it runs in this one."""
    commands: Callable[[Path, Size], list[list[str]]]
    """Returns the commands of its workers, from the folder of its programs."""
    ready: str
    """What each process logs once it takes work."""
    settings: str
    not_guaranteed: str
    """What happens to a paid job when something dies."""

    @property
    def program(self) -> str:
        """Return the name of the job's module."""
        return f"{self.name}_jobs"

    def bin(self) -> Path:
        """Return the folder of its programs."""
        if not self.requirements:
            return Path(sys.executable).parent
        return bin_of(self.name, self.requirements)


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
            settings="threads; first poll after 10 ms instead of a minute, no limits, as the "
            "provider has none, every other setting at its default",
            not_guaranteed="Worker killed after the POST: `unconfirmed`, never sent again on "
            "its own; without a callback it ends `failed` after an hour, and a person decides. An "
            "older Redis that flushes once a second may lose the last second to a power cut.",
        ),
        Stack(
            name="celery",
            size=Size(processes=2, at_once=16),
            requirements=("celery[redis]==5.7.0", "requests==2.34.2"),
            commands=_celery,
            ready=" ready.",
            settings="threads, requests; late acknowledgement, prefetch 1, no results",
            not_guaranteed="Worker killed after the POST: **paid again** when the message "
            "comes back, after an hour (with early acknowledgement: lost instead). No answer "
            "to a POST: the task fails, the job is gone, perhaps paid. Killed between BRPOP "
            "and its record: lost. Countdowns are held in a worker's memory; those over an "
            "hour run twice.",
        ),
        Stack(
            name="dramatiq",
            size=Size(processes=2, at_once=16),
            requirements=("dramatiq[redis]==2.2.1", "requests==2.34.2"),
            commands=_dramatiq,
            ready="Worker process is ready for action.",
            settings="threads, requests; the submission is not retried",
            not_guaranteed="Worker killed after the POST: **paid again** once a clean-up, "
            "drawn with one command in a thousand, finds its heartbeat 60 s old; stuck until then. "
            "No answer to a POST: dead-lettered for a week, perhaps paid (with the default of 20 "
            "retries: sent again). Delays are held in a worker's memory.",
        ),
        Stack(
            name="taskiq",
            size=Size(processes=2, at_once=16),
            requirements=("taskiq==0.13.0", "taskiq-redis==1.2.4", "aiohttp==3.14.5"),
            commands=_taskiq,
            ready="Listening started.",
            settings="stream broker, acknowledged once run, aiohttp",
            not_guaranteed="Worker killed after the POST: **paid again** after 10 minutes. A "
            "message that a worker holds for 10 minutes runs a second time beside the first. "
            "No answer to a POST: logged, acknowledged, gone, perhaps paid. No retry or delay "
            "without middleware or a scheduler process; the stream keeps every message unless "
            "it is capped, and a cap drops unread ones.",
        ),
        Stack(
            name="arq",
            size=Size(processes=1, at_once=100),
            requirements=("arq==0.28.0", "aiohttp==3.14.5"),
            commands=_arq,
            ready="Starting worker",
            settings="aiohttp; no results kept",
            not_guaranteed="Worker killed after the POST: **paid again** after 310 s, in all "
            "up to 5 times; SIGTERM cancels a POST under way and **pays again** at the next "
            "start. No answer to a POST: logged, gone, perhaps paid.",
        ),
    )
}
