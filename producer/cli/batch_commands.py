"""The commands on many jobs at once: queue them, and wait for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from ...errors import InvalidRequestError, Problem
from .printing import as_json, exit_by, in_words, open_client, show

if TYPE_CHECKING:
    from ...jobs.job import Job
    from ..submission import SubmittedBatch


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--skip-bad", is_flag=True, help="Queue what is right, and list the other lines.")
@click.option("--idempotency-key", metavar="KEY", help="Queues it once, however often it is sent.")
@click.option("--wait", "wait_too", is_flag=True, help="Wait until every job has ended.")
@as_json
def batch(
    file: Iterable[str], skip_bad: bool, idempotency_key: str | None, wait_too: bool, as_json: bool
) -> None:
    """Queue every line of a JSON Lines FILE (- for standard input), or none if one is wrong.

    A line's "image" is what --image is: a URL or a file, or a list of them. A line may have an
    "idempotency_key" of its own.
    """
    numbers, items = _read(file)
    client = open_client()
    try:
        done = client.submit_batch(
            items,
            on_error="skip" if skip_bad else "refuse",
            idempotency_key=idempotency_key,
            files=True,
        )
    except InvalidRequestError as error:
        raise InvalidRequestError([_at_line(numbers, each) for each in error.problems]) from None
    _tell(done, numbers, as_json)
    ids = [job_id for job_id in done.jobs if job_id]
    if not wait_too:
        show(client.get_many(ids), as_json)
        return
    jobs = list(_with_bar(client.as_completed(ids), len(ids)))
    show(jobs, as_json)
    exit_by(jobs)


@click.command()
@click.argument("job_ids", nargs=-1, required=True)
@click.option("--timeout", type=float, help="Give up after so many seconds.")
@as_json
def wait(job_ids: tuple[str, ...], timeout: float | None, as_json: bool) -> None:
    """Wait until jobs have ended, and print each; the exit status is 1 if one did not succeed."""
    jobs = []
    for job in open_client().as_completed(job_ids, timeout):
        show([job], as_json)
        jobs.append(job)
    exit_by(jobs)


def _read(file: Iterable[str]) -> tuple[list[int], list[Any]]:
    """The number of each line that is not empty, and what it says."""
    try:
        numbered = [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    except UnicodeDecodeError:
        raise click.UsageError("FILE is not UTF-8 text") from None
    return [number for number, _ in numbered], [_json_or_none(line) for _, line in numbered]


def _json_or_none(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None  # refused like any line that is no object


def _at_line(numbers: Sequence[int], problem: Problem) -> Problem:
    """A problem of a batch, by the line of its file instead of its place among the requests."""
    index, dot, field = problem.field.partition(".")
    return Problem(f"line {numbers[int(index)]}: {field}", problem.message) if dot else problem


def _tell(done: SubmittedBatch, numbers: Sequence[int], as_json: bool) -> None:
    """What is no job goes to standard error: the batch's id, and the lines that were left out."""
    for refused in done.refused:
        for problem in refused.problems:
            click.echo(f"line {numbers[refused.index]}: {problem}", err=True)
    if not as_json:
        click.echo(in_words(done.batch), err=True)


def _with_bar(jobs: Iterator[Job], total: int) -> Iterator[Job]:
    """Jobs as they end, with a bar for whoever watches."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not console.is_terminal:
        return jobs
    return iter(track(jobs, "waiting", total, console=console, transient=True))
