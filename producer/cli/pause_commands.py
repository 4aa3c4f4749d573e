"""The commands that pause and resume submissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .printing import as_json

if TYPE_CHECKING:
    from ...store.submit.pauses import Pause
    from ..pauses import PauseControl


@click.command()
@click.argument("name")
@click.option("--reason", default="", help="Shown wherever the pause is.")
@as_json
def pause(name: str, reason: str, as_json: bool) -> None:
    """Send no job until it is resumed; NAME is a provider, a key (ACCOUNT:KEY), or all.

    Queued jobs keep their place. Polls, callbacks and downloads go on.
    """
    _show(_open_control().pause(name, reason, "cli"), as_json)


@click.command()
@click.argument("name")
def resume(name: str) -> None:
    """End every pause of NAME, also those that a provider caused."""
    _open_control().resume(name)
    click.echo(f"resumed {name}")


@click.command()
@as_json
def pauses(as_json: bool) -> None:
    """List what is not sent for now, and why."""
    for each in _open_control().list_all():
        _show(each, as_json)


def _open_control() -> PauseControl:
    from ...config.process import start_process
    from ..pauses import PauseControl

    return PauseControl(start_process())


def _show(pause: Pause, as_json: bool) -> None:
    if as_json:
        click.echo(pause.model_dump_json())
        return
    until = f"until {pause.until:%H:%M:%S}" if pause.until else "until resumed"
    author = f" by {pause.author}" if pause.author else ""
    since = f"since {pause.since:%Y-%m-%d %H:%M}"
    line = f"{pause.name:<24}  {pause.kind:<10}  {since}{author}, {until}  {pause.reason}"
    click.echo(line.rstrip())
