"""The command that prints a one-time login link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ...config.settings import Settings


@click.command()
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="The API as the browser reaches it, such as through a proxy.",
)
def login(url: str) -> None:
    """Print a link that logs one browser in to the dashboard, once, within 15 minutes.

    It needs no API key, and gives every right for 12 hours.
    """
    from ...config.process import start_process

    click.echo(make_login_link(start_process(), url))


def make_login_link(settings: Settings, url: str) -> str:
    """Return a new link to the API at `url`."""
    from ...config.redis import connect, reachable
    from ...store.callers.local_logins import LocalLogins

    with connect(settings) as client, reachable():
        return LocalLogins(client).make_link(url)
