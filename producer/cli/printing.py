"""What the commands on jobs have in common: a client, and how jobs are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ...jobs.batch import Batch
    from ...jobs.job import Job
    from ..client import Client

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_client() -> Client:
    """A client by the settings of this process."""
    from ...config.process import start_process
    from ..client import Client

    # With logs set up they go to standard error, out of the way of what is printed here.
    return Client(start_process(), name="cli")


def json_object(text: str, where: str) -> dict[str, Any]:
    """A JSON object that was typed or written; raises UsageError for anything else."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"{where} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"{where} must be a JSON object")
    return value


def show(jobs: Iterable[Job], as_json: bool) -> None:
    """Print jobs, one on each line."""
    for job in jobs:
        if as_json:
            click.echo(job.model_dump_json(by_alias=True))
        else:
            click.echo(f"{job.id}  {job.state:<11}  {job.provider}  {job.prompt[:60]}")


def in_words(batch: Batch) -> str:
    """How far a batch is, in one line."""
    states = ", ".join(f"{count} {state}" for state, count in batch.progress.items())
    return f"{batch.id}  {batch.ended} of {batch.total} ended  {states}".rstrip()


def exit_by(jobs: Iterable[Job]) -> None:
    """Leave with status 1 if a job did not succeed."""
    if any(job.state != "succeeded" for job in jobs):
        sys.exit(1)
