"""The commands that change stored jobs: cancel, retry and acknowledge, one job or many."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ...errors import InvalidTransitionError, NotFoundError
from .filters import read_filters, takes_filters
from .printing import as_json, open_job_client, show
from .remote import URL_VARIABLE, RemoteClient

if TYPE_CHECKING:
    from ...jobs.filter import JobFilter
    from ..bulk import BulkOptions
    from ..bulk_report import BulkReport
    from ..client import LocalClient

REFUSED = 2


def _takes_jobs(command: Callable[..., None]) -> Callable[..., None]:
    """Add the ids, filters and options that the commands share."""
    command = takes_filters(command)
    command = click.option("--dry-run", is_flag=True, help="Say what would be done, do nothing.")(
        command
    )
    return click.argument("job_ids", nargs=-1)(as_json(command))


@click.command()
@_takes_jobs
def cancel(**options: Any) -> None:
    """Cancel jobs: free while they are queued; later the charge stands.

    Name them by their ids, or select them by filters, which all have to match.
    """
    _run("cancel", **options)


@click.command()
@_takes_jobs
@click.option(
    "--pay-again",
    is_flag=True,
    help="Allow a second charge: needed unless nothing was charged yet.",
)
@click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Repeating it with this key within 24 h leaves out jobs that were retried since.",
)
def retry(**options: Any) -> None:
    """Download unsaved jobs' images again (free), or send failed jobs again (paid).

    Name them by their ids, or select them by filters, which all have to match.
    """
    _run("retry", **options)


@click.command()
@_takes_jobs
def acknowledge(**options: Any) -> None:
    """End unsaved jobs that nobody will save; a retry still downloads their images.

    Name them by their ids, or select them by filters, which all have to match.
    """
    _run("acknowledge", **options)


def _run(
    name: str,
    job_ids: tuple[str, ...],
    as_json: bool,
    dry_run: bool,
    pay_again: bool = False,
    idempotency_key: str | None = None,
    **filters: Any,
) -> None:
    from ..bulk import BulkOptions
    from ..commands import Action

    given = read_filters(filters)
    if bool(job_ids) == bool(given):
        raise click.UsageError("name jobs by their ids, or select them by filters such as --batch")
    client = open_job_client()
    if isinstance(client, RemoteClient):
        if not job_ids or dry_run or idempotency_key:
            raise click.UsageError(f"name jobs by their ids: {URL_VARIABLE} is set")
        _change_remote(client, name, job_ids, pay_again, as_json)
    options = BulkOptions(
        dry_run=dry_run, pay_again=pay_again, idempotency_key=idempotency_key, key_owner="cli"
    )
    if given:
        from ...jobs.filter import parse_filter

        _change_selected(client, Action(name), parse_filter(given), options, as_json)
    else:
        _change_named(client, Action(name), job_ids, options, as_json)


def _change_remote(
    client: RemoteClient, action: str, job_ids: tuple[str, ...], pay_again: bool, as_json: bool
) -> NoReturn:
    """Change jobs one by one and print each; exit with status 2 if one was refused."""
    is_refused = False
    for job_id in job_ids:
        try:
            show([client.change(action, job_id, pay_again=pay_again)], as_json)
        except (InvalidTransitionError, NotFoundError) as error:
            click.echo(f"imagequeue: {error}", err=True)
            is_refused = True
    sys.exit(REFUSED if is_refused else 0)


def _change_named(
    client: LocalClient,
    action: Any,
    job_ids: tuple[str, ...],
    options: BulkOptions,
    as_json: bool,
) -> None:
    """Change jobs and print each; exit with status 2 if one was refused."""
    from ..commands import describe_result

    is_refused = False
    for step in client.iter_bulk(action, job_ids, options):
        if not options.dry_run:
            for job in step.changed:
                show([job], as_json)
                if not as_json:
                    click.echo(f"  {describe_result(action, job)}")
        for problem in step.report.problems:
            click.echo(f"imagequeue: {problem.message}", err=True)
            is_refused = True
    if options.dry_run:
        _print_report(step.report, as_json)
    sys.exit(REFUSED if is_refused else 0)


def _change_selected(
    client: LocalClient, action: Any, selected: JobFilter, options: BulkOptions, as_json: bool
) -> None:
    """Change the jobs of a filter, and print how many; the progress goes to standard error."""
    end = "\r" if sys.stderr.isatty() else "\n"
    for step in client.iter_bulk(action, selected, options):
        report = step.report
        if not report.finished:
            click.echo(f"{report.done:,} of {report.total:,} jobs{end}", nl=False, err=True)
    _print_report(report, as_json)


def _print_report(report: BulkReport, as_json: bool) -> None:
    from ..bulk_report import describe_report

    if as_json:
        click.echo(report.model_dump_json(exclude={"problems", "error"}))
    else:
        click.echo("\n  ".join(describe_report(report)))
