"""The command that prints a one-time login link."""

from __future__ import annotations

import click


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
    from ..login_link import make_login_link

    click.echo(make_login_link(start_process(), url))
