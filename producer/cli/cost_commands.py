"""The commands that report what was spent, and what may still be."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from .printing import as_json, open_client

if TYPE_CHECKING:
    from ...store.money.ledger import CostRow

DAY = click.DateTime(["%Y-%m-%d"])
FORMATS = click.Choice(["table", "csv", "json"])


@click.command()
@click.option("--by", default="day", show_default=True, help="day,provider,model,key,caller.")
@click.option("--since", type=DAY, help="The first day, in UTC; by default 30 days ago.")
@click.option("--until", type=DAY, help="The last day, in UTC; by default today.")
@click.option("--caller", help="Only the jobs of this caller.")
@click.option("--batch", help="The sum of this batch, over all days.")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True)
def costs(
    by: str,
    since: datetime | None,
    until: datetime | None,
    caller: str | None,
    batch: str | None,
    form: str,
) -> None:
    """Report what was spent.

    `estimated` is the part that no provider has stated, `unknown` the part that is perhaps not
    charged, `unpriced` the number of tasks whose price is not known.
    """
    from ..costs import parse_dimensions

    first, last = (given.date() if given else None for given in (since, until))
    rows = open_client().report_costs(by, first, last, submitted_by=caller, batch=batch)
    _print_rows(rows, ["batch"] if batch else parse_dimensions(by), form)


@click.command()
@as_json
def budgets(as_json: bool) -> None:
    """Report how much of each budget is used; amounts are in its unit, times in UTC.

    A budget of IMAGEQUEUE_BUDGETS is for all jobs, one of `imagequeue keys` for those of its key.
    """
    uses = [use.to_fields() for use in open_client().report_budgets()]
    if as_json:
        click.echo(json.dumps(uses, default=str))
    elif uses:
        _print_budgets(uses)
    else:
        click.echo("no budget is set: see IMAGEQUEUE_BUDGETS and `imagequeue keys limit --budget`")


def _print_budgets(uses: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("budget", "caller", box=None)
    for name in ("spent", "reserved", "left"):
        table.add_column(name, justify="right")
    table.add_column("resets at")
    table.add_column("")
    for use in uses:
        table.add_row(
            use["budget"],
            use["caller"] or "all",
            *(f"{use[name]:.3f}" for name in ("spent", "reserved", "left")),
            f"{use['resets_at']:%Y-%m-%d %H:%M}",
            "exhausted" if use["exhausted"] else "",
        )
    Console().print(table)


def _print_rows(rows: list[CostRow], dimensions: list[str], form: str) -> None:
    from ...store.money.ledger import CostRow
    from ...store.money.ledger_entries import Amounts

    fields = [row.to_fields() for row in rows]
    if form == "json":
        click.echo(json.dumps(fields))
    elif form == "csv":
        empty = CostRow(dict.fromkeys(dimensions, ""), Amounts())
        writer = csv.DictWriter(sys.stdout, [*empty.to_fields()])
        writer.writeheader()
        writer.writerows(fields)
    elif fields:
        _print_table(fields, dimensions)
    else:
        click.echo("nothing was spent in this time")


def _print_table(fields: list[dict[str, Any]], dimensions: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*dimensions, box=None)
    for name in ("tasks", "usd", "estimated", "unknown", "unpriced"):
        table.add_column(name, justify="right")
    for each in fields:
        amounts = (each["usd"], each["estimated_usd"], each["unknown_usd"])
        table.add_row(
            *(each[name] for name in dimensions),
            str(each["tasks"]),
            *(f"{amount:.3f}" for amount in amounts),
            str(each["unpriced"]),
        )
    Console().print(table)
