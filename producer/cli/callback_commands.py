"""The commands on quarantined callbacks."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

import click

from ...errors import UnknownCallbackError
from .printing import as_json, open_redis, show_unreadable

if TYPE_CHECKING:
    from ...store.quarantine import Quarantine, QuarantinedCallback


@click.group()
def callbacks() -> None:
    """Quarantined callbacks: their URL was valid but they changed nothing; the newest are kept."""


@callbacks.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@as_json
def list_callbacks(limit: int, as_json: bool) -> None:
    """List quarantined callbacks, newest first; --json adds their bodies."""
    quarantine = _open_quarantine()
    for quarantined in islice(quarantine, limit):
        if as_json:
            click.echo(json.dumps(_to_dict(quarantined)))
        else:
            at, size = quarantined.callback.at, len(quarantined.callback.body)
            click.echo(
                f"{quarantined.id}  {at:%Y-%m-%d %H:%M:%S}  {quarantined.job_id}  "
                f"{quarantined.reason:<12}  {size} bytes"
            )
    show_unreadable(quarantine.list_unreadable())


@callbacks.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Replay all of them.")
def replay(ids: tuple[str, ...], everything: bool) -> None:
    """Process callbacks again, as if they had just arrived."""
    from ...store.clock import RedisClock

    if bool(ids) == everything:
        raise click.UsageError("name the callbacks to replay by their ids, or give --all")
    quarantine, now = _open_quarantine(), RedisClock(open_redis())
    # Listed first: a callback that changes nothing again returns under a new id.
    for entry_id in [each.id for each in quarantine] if everything else ids:
        try:
            click.echo(f"{entry_id}  {quarantine.replay(entry_id, now())}")
        except UnknownCallbackError:
            # Another process replayed it first, which is fine with --all.
            if not everything:
                raise


@callbacks.command()
@as_json
def counts(as_json: bool) -> None:
    """Show how many callbacks arrived, by response and outcome."""
    from ...store.counters import Counters

    with open_redis() as client:
        counters = Counters(client).read()
    sums = {name: count for name, count in counters.items() if name.startswith("callbacks.")}
    if as_json:
        click.echo(json.dumps(sums))
    else:
        for name, count in sums.items():
            click.echo(f"{name:<32}  {count}")


def _open_quarantine() -> Quarantine:
    from ...store.quarantine import Quarantine

    return Quarantine(open_redis())


def _to_dict(quarantined: QuarantinedCallback) -> dict[str, object]:
    callback = quarantined.callback
    return {
        "id": quarantined.id,
        "at": callback.at.isoformat(),
        "job_id": quarantined.job_id,
        "reason": quarantined.reason.value,
        "headers": dict(callback.headers),
        "body": callback.body.decode(errors="backslashreplace"),
    }
