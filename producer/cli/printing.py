"""What the commands share: the client, the --json option and the output of jobs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

if TYPE_CHECKING:
    import redis

    from ...client._sync.results import Job as RemoteJob
    from ...client.results import Batch as RemoteBatch
    from ...jobs.batch import Batch
    from ...jobs.job import Job
    from ..client import LocalClient
    from .remote import RemoteClient

    AnyJob = Job | RemoteJob

# Of jobs that go on, a command names this many.
MAX_SHOWN = 5

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_client() -> LocalClient:
    """Return a client with the settings of this process."""
    from ...config.process import start_process
    from ..client import LocalClient

    # `start_process` sends logs to standard error, apart from the printed output.
    return LocalClient(start_process(), name="cli")


def open_job_client() -> LocalClient | RemoteClient:
    """Return a client of the queue at IMAGEQUEUE_URL, or with the settings of this process."""
    from .remote import RemoteClient, is_remote

    if not is_remote():
        return open_client()
    client = RemoteClient()
    click.get_current_context().call_on_close(client.http.close)
    return client


def open_redis() -> redis.Redis:
    """Return a Redis client with the settings of this process."""
    from ...config.process import start_process
    from ...config.redis import connect

    return connect(start_process())


def parse_json_object(text: str, where: str) -> dict[str, Any]:
    """Parse a JSON object; raises UsageError for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{where} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"{where} must be a JSON object")
    return value


def dump(value: Any) -> str:
    """Return a result of either client as JSON."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump_json(by_alias=True)
    import msgspec

    return msgspec.json.encode(value).decode()


def show(jobs: Iterable[AnyJob], as_json: bool, *, with_callers: bool = False) -> None:
    """Print jobs, one on each line, with why they failed and perhaps who submitted them."""
    for job in jobs:
        click.echo(dump(job) if as_json else _describe_job(job, with_callers))


def _describe_job(job: AnyJob, with_caller: bool) -> str:
    parts = [job.id, f"{job.state:<11}", job.provider, job.prompt[:60]]
    if with_caller and job.submitted_by:
        parts.append(f"by {job.submitted_by}")
    if job.error:
        parts.append(f"[{job.error.reason or 'error'}: {job.error.message or job.error.code}]")
    return "  ".join(parts)


def show_images(job: AnyJob) -> None:
    """Print where the images of a job are, one on each line."""
    for image in job.images:
        if image.uri:
            click.echo(f"  {format_place(image.uri)}")


def format_place(uri: str) -> str:
    """Return a file's path, which a shell takes; any other URI as it is."""
    url = urlsplit(uri)
    return unquote(url.path) if url.scheme == "file" else uri


@contextmanager
def saying_how_to_come_back(command: str, ids: Sequence[str]) -> Iterator[None]:
    """Say on Ctrl-C that the jobs go on, and which command shows them again."""
    try:
        yield
    except KeyboardInterrupt:
        shown = " ".join(ids[:MAX_SHOWN]) + (" ..." if len(ids) > MAX_SHOWN else "")
        back = f"imagequeue {command} {shown}"
        click.echo(f"\nthe work goes on without you; to come back: {back}", err=True)
        sys.exit(130)


def show_unreadable(unreadable: Mapping[str, str]) -> None:
    """Print, beside a list, what it leaves out: ids, and why they cannot be read."""
    for record_id, why in unreadable.items():
        click.echo(f"{record_id} cannot be read: {why}", err=True)


def describe_batch(batch: Batch | RemoteBatch) -> str:
    """Return the progress of a batch in one line."""
    states = ", ".join(f"{count} {state}" for state, count in batch.progress.items())
    return f"{batch.id}  {batch.ended} of {batch.total} finished  {states}".rstrip()


def exit_by_result(jobs: Iterable[AnyJob]) -> None:
    """Exit with status 1 if a job did not succeed."""
    if any(job.state != "succeeded" for job in jobs):
        sys.exit(1)
