"""The commands that submit a batch and wait for jobs."""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from ...errors import InvalidRequestError, Problem
from .printing import (
    as_json,
    describe_batch,
    dump,
    exit_by_result,
    open_job_client,
    saying_how_to_come_back,
    show,
    show_images,
)
from .remote import RemoteClient

if TYPE_CHECKING:
    from ..client import LocalClient
    from ..submission import SubmittedBatch
    from .printing import AnyJob
    from .remote import RemoteBatch

# `wait` says of this many jobs where they stand.
MAX_POSITIONS = 10
# Editors on Windows write a byte-order mark, and `copy` a Ctrl-Z; joined files have them at seams.
_AROUND_LINES = "\ufeff\x1a" + string.whitespace


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option(
    "--skip-bad",
    is_flag=True,
    help="Queue the valid lines, and list the others; then the exit status is 1.",
)
@click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Repeating it with this key within 24 h returns the same jobs.",
)
@click.option("--wait", "wait_too", is_flag=True, help="Wait until every job is finished.")
@as_json
def batch(
    file: Iterable[str], skip_bad: bool, idempotency_key: str | None, wait_too: bool, as_json: bool
) -> None:
    """Queue every line of a JSON Lines FILE (- for standard input), or none if one is invalid.

    A line's "image" is a URL, a file or a list of them, as with --image. A line may have an
    "idempotency_key" of its own.
    """
    numbers, items = _read_lines(file)
    client = open_job_client()
    try:
        submitted = client.submit_batch(
            items,
            on_error="skip" if skip_bad else "refuse",
            idempotency_key=idempotency_key,
            files=True,
        )
    except InvalidRequestError as error:
        raise InvalidRequestError([_locate(numbers, each) for each in error.problems]) from None
    _print_summary(submitted, numbers, as_json)
    ids = [job_id for job_id in submitted.jobs if job_id]
    if not wait_too:
        show(client.get_many(ids), as_json)
    else:
        with saying_how_to_come_back("status", [submitted.batch.id]):
            jobs: list[AnyJob] = list(_show_progress(client.as_completed(ids), len(ids)))
        show(jobs, as_json)
        exit_by_result(jobs)
    if submitted.refused:
        sys.exit(1)


@click.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@as_json
def batches(limit: int, as_json: bool) -> None:
    """List the batches of the last 90 days, newest first, with their progress and cost."""
    client = open_job_client()
    if isinstance(client, RemoteClient):
        found: list[Any] = [*client.iter_batches(limit)]
    else:
        found = [each.to_batch() for each in client.list_batches(limit=limit).batches]
    for each in found:
        costs = f"${each.spent_usd:,.2f} so far"
        click.echo(dump(each) if as_json else f"{describe_batch(each)}  {costs}")
    if not found:
        click.echo("no batches", err=True)


@click.command()
@click.argument("job_ids", nargs=-1, required=True)
@click.option("--timeout", type=float, help="Stop waiting after this many seconds.")
@as_json
def wait(job_ids: tuple[str, ...], timeout: float | None, as_json: bool) -> None:
    """Wait until jobs are finished, and print each; exit status 1 if one did not succeed."""
    jobs: list[AnyJob] = []
    client = open_job_client()
    _print_positions(client, job_ids[:MAX_POSITIONS])
    with saying_how_to_come_back("wait", job_ids):
        for job in client.as_completed(job_ids, timeout):
            show([job], as_json)
            if not as_json:
                show_images(job)
            jobs.append(job)
    exit_by_result(jobs)


def _print_positions(client: LocalClient | RemoteClient, job_ids: Sequence[str]) -> None:
    """Print where queued jobs stand to standard error, apart from the jobs."""
    from ..position_text import describe_position

    if isinstance(client, RemoteClient):
        return
    for job_id, position in client.measure_positions(client.get_many(job_ids)).items():
        click.echo(f"{job_id}  {describe_position(position)}", err=True)


def _read_lines(file: Iterable[str]) -> tuple[list[int], list[Any]]:
    """Return the number and the content of each line that is not empty."""
    try:
        lines = (line.strip(_AROUND_LINES) for line in file)
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
    except UnicodeDecodeError:
        raise click.UsageError("FILE is not UTF-8 text: save it as UTF-8") from None
    return [number for number, _ in numbered], [_parse_or_none(line) for _, line in numbered]


def _parse_or_none(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None  # refused later, because it is not an object


def _locate(numbers: Sequence[int], problem: Problem) -> Problem:
    """Return a problem with the line of the file instead of the index of the item."""
    index, dot, field = problem.field.partition(".")
    return Problem(f"line {numbers[int(index)]}: {field}", problem.message) if dot else problem


def _print_summary(
    submitted: SubmittedBatch | RemoteBatch, numbers: Sequence[int], as_json: bool
) -> None:
    """Print the batch and the refused lines to standard error, apart from the jobs."""
    for refused in submitted.refused:
        for problem in refused.problems:
            click.echo(f"line {numbers[refused.index]}: {problem}", err=True)
    if not as_json:
        click.echo(describe_batch(submitted.batch), err=True)


def _show_progress(jobs: Iterator[AnyJob], total: int) -> Iterator[AnyJob]:
    """Yield the jobs, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not console.is_terminal:
        return jobs
    return iter(track(jobs, "waiting", total, console=console, transient=True))
