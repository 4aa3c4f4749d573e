"""The commands on callbacks that changed nothing."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

import click

from ...errors import UnknownCallbackError
from .job_commands import as_json

if TYPE_CHECKING:
    from ...store.quarantine import Quarantine, QuarantinedCallback


@click.group()
def callbacks() -> None:
    """Callbacks that had a good URL and changed nothing: they are kept, up to a bound."""


@callbacks.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@as_json
def list_callbacks(limit: int, as_json: bool) -> None:
    """List what is kept, newest first; --json shows the bodies too."""
    for kept in islice(_quarantine(), limit):
        if as_json:
            click.echo(json.dumps(_shown(kept)))
        else:
            at = f"{kept.callback.at:%Y-%m-%d %H:%M:%S}"
            size = len(kept.callback.body)
            click.echo(f"{kept.id}  {at}  {kept.job_id}  {kept.reason:<12}  {size} bytes")


@callbacks.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are kept.")
def replay(ids: tuple[str, ...], everything: bool) -> None:
    """Have callbacks read once more, as if they had just come in."""
    from ...jobs.job import utc_now

    if bool(ids) == everything:
        raise click.UsageError("name the callbacks to replay by their ids, or give --all")
    quarantine = _quarantine()
    # Listed first: what is read at once and changes nothing again comes back under a new id.
    for entry_id in [kept.id for kept in quarantine] if everything else ids:
        try:
            click.echo(f"{entry_id}  {quarantine.replay(entry_id, utc_now())}")
        except UnknownCallbackError:
            # Somebody else was first, which is as good where all are meant.
            if not everything:
                raise


@callbacks.command()
@as_json
def counts(as_json: bool) -> None:
    """Show how many callbacks came, and what became of them."""
    from ...config.process import start_process
    from ...config.redis import connect
    from ...store.counters import Counters

    with connect(start_process()) as client:
        every = Counters(client).read()
    sums = {name: count for name, count in every.items() if name.startswith("callbacks.")}
    if as_json:
        click.echo(json.dumps(sums))
    else:
        for name, count in sums.items():
            click.echo(f"{name:<32}  {count}")


def _quarantine() -> Quarantine:
    from ...config.process import start_process
    from ...config.redis import connect
    from ...store.quarantine import Quarantine

    return Quarantine(connect(start_process()))


def _shown(kept: QuarantinedCallback) -> dict[str, object]:
    callback = kept.callback
    return {
        "id": kept.id,
        "at": callback.at.isoformat(),
        "job_id": kept.job_id,
        "reason": kept.reason.value,
        "headers": dict(callback.headers),
        "body": callback.body.decode(errors="backslashreplace"),
    }
