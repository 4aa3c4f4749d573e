"""The command that writes jobs into a file."""

from __future__ import annotations

from typing import Any

import click

from .filters import read_filters, takes_filters
from .printing import open_client


@click.command()
@takes_filters
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    default="jsonl",
    show_default=True,
)
@click.option(
    "--output", type=click.File("wb"), default="-", help="A file; by default standard output."
)
def export(form: str, output: Any, **filters: Any) -> None:
    """Write jobs, those of the archive too, newest first, into a file.

    Without filters, which all have to match, it writes all jobs.
    """
    from ...jobs.filter import parse_conditions
    from ..export import ExportFormat, write_export

    chosen = parse_conditions(read_filters(filters))
    for piece in write_export(open_client().iter_matching(chosen), ExportFormat(form)):
        output.write(piece)
