"""The commands on jobs, each thin over the client."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import InvalidRequestError, Problem

if TYPE_CHECKING:
    from ..jobs.job import Job
    from .client import Client

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("provider")
@click.argument("prompt", default="")
@click.option("--action", default="generate", show_default=True, help="generate, edit, ...")
@click.option("--image", "images", multiple=True, metavar="URL", help="An image to start from.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option("--delivery", default="auto", show_default=True, help="auto, callback or poll.")
@click.option("--metadata", default="{}", metavar="JSON", help="Kept with the job.")
@click.option("--wait", "wait_too", is_flag=True, help="Wait until the pictures are saved.")
@as_json
def submit(
    provider: str,
    prompt: str,
    action: str,
    images: tuple[str, ...],
    params: tuple[str, ...],
    delivery: str,
    metadata: str,
    wait_too: bool,
    as_json: bool,
) -> None:
    """Queue one job and print its id."""
    client = _client()
    job = client.submit(
        provider,
        prompt,
        action=action,
        image_urls=images,
        params=dict(_parameter(each) for each in params),
        delivery=delivery,
        metadata=_object(metadata, "--metadata"),
    )
    if wait_too:
        job = client.wait(job.id)
    _show([job], as_json)
    if wait_too:
        _exit_by([job])


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@as_json
def batch(file: Iterable[str], as_json: bool) -> None:
    """Queue every line of a JSON Lines FILE (- for standard input), or none if one is wrong."""
    try:
        numbered = [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    except UnicodeDecodeError:
        raise click.UsageError("FILE is not UTF-8 text") from None
    requests = [_object(line, f"line {number}") for number, line in numbered]
    try:
        jobs = _client().submit_many(requests)
    except InvalidRequestError as error:
        lines = [number for number, _ in numbered]
        raise InvalidRequestError(
            [_at_line(lines, problem) for problem in error.problems]
        ) from None
    _show(jobs, as_json)


@click.command()
@click.argument("job_id")
@as_json
def status(job_id: str, as_json: bool) -> None:
    """Show a job with its history and pictures."""
    job = _client().get(job_id)
    if as_json:
        _print_json(job)
        return
    _show([job], as_json=False)
    for entry in job.history:
        click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.from_} -> {entry.to}  ({entry.cause})")
    for image in job.images:
        click.echo(f"  image {image.index}: {image.state}  {image.uri or image.source_url}")
    if job.error:
        click.echo(f"  {job.error.reason or 'error'}: {job.error.code} {job.error.message}")


@click.command("list")
@click.option("--state", help="Only jobs in this state.")
@click.option("--provider", help="Only jobs of this provider.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--cursor", help="Where the page before ended.")
@as_json
def list_jobs(
    state: str | None, provider: str | None, limit: int, cursor: str | None, as_json: bool
) -> None:
    """List jobs, newest first."""
    from ..jobs.job import State

    if state is not None and state not in list(State):
        raise click.UsageError(f"--state is one of {', '.join(State)}")
    page = _client().list(
        state=State(state) if state else None, provider=provider, limit=limit, cursor=cursor
    )
    _show(page.jobs, as_json)
    if page.cursor:
        click.echo(f"more: --cursor {page.cursor}", err=True)


@click.command()
@click.argument("job_ids", nargs=-1, required=True)
@click.option("--timeout", type=float, help="Give up after so many seconds.")
@as_json
def wait(job_ids: tuple[str, ...], timeout: float | None, as_json: bool) -> None:
    """Wait until jobs have ended; the exit status is 1 if one did not succeed."""
    client = _client()
    deadline = None if timeout is None else time.monotonic() + timeout
    jobs = []
    for job_id in job_ids:
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        jobs.append(client.wait(job_id, left_s))
    _show(jobs, as_json)
    _exit_by(jobs)


@click.command()
@click.argument("job_id")
@as_json
def cancel(job_id: str, as_json: bool) -> None:
    """Cancel a job: free while it is queued; later the charge stands."""
    _show([_client().cancel(job_id)], as_json)


@click.command()
@click.argument("job_id")
@click.option("--pay-again", is_flag=True, help="Send, and pay for, a failed job once more.")
@as_json
def retry(job_id: str, pay_again: bool, as_json: bool) -> None:
    """Save an unsaved job's pictures again (free), or run a failed job again (paid)."""
    _show([_client().retry(job_id, pay_again=pay_again)], as_json)


JOB_COMMANDS = (submit, batch, status, list_jobs, wait, cancel, retry)


def _client() -> Client:
    from ..config.start import start_process
    from .client import Client

    # With logs set up they go to standard error, out of the way of what is printed here.
    return Client(start_process())


def _parameter(text: str) -> tuple[str, Any]:
    """`name=value`, the value as JSON where it is that: 2, true, "text"; else as it stands."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--param {text}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _at_line(lines: Sequence[int], problem: Problem) -> Problem:
    """A problem of a batch, by the line of its file instead of its place among the requests."""
    index, _, field = problem.field.partition(".")
    return Problem(f"line {lines[int(index)]}: {field}", problem.message)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"{where} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"{where} must be a JSON object")
    return value


def _show(jobs: Iterable[Job], as_json: bool) -> None:
    for job in jobs:
        if as_json:
            _print_json(job)
        else:
            click.echo(f"{job.id}  {job.state:<11}  {job.provider}  {job.prompt[:60]}")


def _print_json(job: Job) -> None:
    click.echo(job.model_dump_json(by_alias=True))


def _exit_by(jobs: Iterable[Job]) -> None:
    if any(job.state != "succeeded" for job in jobs):
        sys.exit(1)
