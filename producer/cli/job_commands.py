"""The commands on single jobs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import click

from .action_commands import acknowledge, cancel, retry
from .batch_commands import batch, batches, wait
from .filters import read_filters, takes_filters
from .printing import (
    as_json,
    describe_batch,
    dump,
    exit_by_result,
    format_place,
    open_job_client,
    parse_json_object,
    saying_how_to_come_back,
    show,
    show_images,
)
from .remote import RemoteClient
from .start_time import StartTime

PRIORITIES = click.Choice(["high", "normal", "low"])


@click.command()
@click.argument("provider")
@click.argument("prompt", default="")
@click.option("--action", default="generate", show_default=True, help="generate, edit, ...")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="URL|FILE|ID",
    help="An input image; may be repeated. A file is uploaded, if the provider accepts files. The "
    "id is one that `imagequeue upload` printed, or of a job.",
)
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option(
    "--fallback",
    "fallbacks",
    multiple=True,
    metavar="PROVIDER|JSON",
    help="A provider that is taken if the others certainly do not take the job, or with parameters "
    'as {"provider": "...", "params": {...}}; may be repeated.',
)
@click.option("--delivery", default="auto", show_default=True, help="auto, callback or poll.")
@click.option("--priority", type=PRIORITIES, default="normal", show_default=True)
@click.option(
    "--not-before",
    type=StartTime(),
    metavar="TIME",
    help="The earliest time to send it: an ISO time, or a duration such as 90s, 30m, 2h or 1d.",
)
@click.option(
    "--after", multiple=True, metavar="JOB", help="A job that has to succeed first. Repeatable."
)
@click.option(
    "--metadata",
    default="{}",
    metavar="JSON",
    help="Stored with the job, never sent to the provider.",
)
@click.option(
    "--image-name",
    metavar="TEMPLATE",
    help="How the images are named, such as '{metadata.sku}/{index}.{ext}'.",
)
@click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Repeating it with this key within 24 h returns the same job.",
)
@click.option("--reuse", help="Return a job that made the same within this time, such as 24h.")
@click.option("--wait", "wait_too", is_flag=True, help="Wait until the images are saved.")
@as_json
def submit(
    provider: str,
    prompt: str,
    action: str,
    images: tuple[str, ...],
    params: tuple[str, ...],
    fallbacks: tuple[str, ...],
    delivery: str,
    priority: Any,
    not_before: datetime | timedelta | None,
    after: tuple[str, ...],
    metadata: str,
    image_name: str | None,
    idempotency_key: str | None,
    reuse: str | None,
    wait_too: bool,
    as_json: bool,
) -> None:
    """Queue one job and print its id."""
    client = open_job_client()
    job = client.submit(
        provider,
        prompt,
        action=action,
        image=images,
        params=dict(_parse_parameter(each) for each in params),
        fallback=[_parse_fallback(each) for each in fallbacks],
        delivery=delivery,
        priority=priority,
        not_before=not_before,
        after=after,
        metadata=parse_json_object(metadata, "--metadata"),
        image_name=image_name,
        reuse=reuse,
        idempotency_key=idempotency_key,
    )
    if not wait_too:
        show([job], as_json)
        return
    # At once, and apart from the result: whoever loses patience can come back.
    click.echo(f"{job.id}  {job.state}", err=True)
    with saying_how_to_come_back("wait", [job.id]):
        job = client.wait(job.id)
    show([job], as_json)
    if not as_json:
        show_images(job)
    exit_by_result([job])


@click.command()
@click.argument("file")
@as_json
def upload(file: str, as_json: bool) -> None:
    """Store an image and print its id, which --image of any job takes."""
    stored = open_job_client().upload(file)
    click.echo(dump(stored) if as_json else stored.id)


@click.command()
@click.argument("job_or_batch")
@as_json
def status(job_or_batch: str, as_json: bool) -> None:
    """Show a job with its history and images, or the progress of a batch."""
    client = open_job_client()
    if job_or_batch.startswith("batch_"):
        found = client.batch(job_or_batch)
        click.echo(dump(found) if as_json else describe_batch(found))
        return
    job: Any = client.get(job_or_batch)
    if not isinstance(client, RemoteClient):
        job = client.add_details(job)
    show([job], as_json, with_callers=True)
    if not as_json:
        _show_details(job)


def _show_details(job: Any) -> None:
    if job.queue:
        from ..position_text import describe_position

        click.echo(f"  {describe_position(job.queue)}")
    if job.priority != "normal":
        click.echo(f"  priority: {job.priority}")
    click.echo(f"  charged: {job.charged}")
    for entry in job.history:
        click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.from_} -> {entry.to}  ({entry.cause})")
    for image in (*job.images, *job.origins):
        name = "image" if image.kind == "result" else image.kind
        click.echo(
            f"  {name} {image.index}: {image.state}  {format_place(image.uri or image.source_url)}"
        )
    if job.deliveries:
        from ..delivery_text import describe_delivery

        for each in job.deliveries:
            click.echo(f"  {each.at:%Y-%m-%d %H:%M:%S}  {each.event}: {describe_delivery(each)}")
    if job.error:
        click.echo(f"  {job.error.reason or 'error'}: {job.error.code} {job.error.message}")


@click.command("list")
@takes_filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--cursor", help="The cursor that the previous page printed.")
@as_json
def list_jobs(limit: int, cursor: str | None, as_json: bool, **filters: Any) -> None:
    """List jobs, newest first, those of the archive too.

    All filters have to match. Of words, the archive finds how they begin.
    """
    from ...jobs.filter import parse_conditions
    from ...jobs.job import State

    if filters["state"] not in (None, *State):
        raise click.UsageError(f"--state is one of {', '.join(State)}")
    given = read_filters(filters)
    page = open_job_client().list(chosen=parse_conditions(given), limit=limit, cursor=cursor)
    show(page.jobs, as_json, with_callers=True)
    if not page.jobs:
        click.echo("no job matches" if any(given.values()) else "no jobs", err=True)
    if page.cursor:
        click.echo(f"more: --cursor {page.cursor}", err=True)


JOB_COMMANDS = (submit, upload, batch, batches, status, list_jobs, wait, cancel, retry, acknowledge)


def _parse_parameter(text: str) -> tuple[str, Any]:
    """Parse `name=value`; the value is JSON (2, true, "text") or else plain text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--param {text}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _parse_fallback(text: str) -> dict[str, Any]:
    """Parse the name of a provider, or a JSON object with its parameters."""
    is_json = text.lstrip().startswith("{")
    return parse_json_object(text, "--fallback") if is_json else {"provider": text}
