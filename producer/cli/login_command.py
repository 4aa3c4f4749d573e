"""The command that prints a one-time login link."""

from __future__ import annotations

import click

from ...store.callers.roles import Role


@click.command()
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="The API as the browser reaches it, such as through a proxy.",
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.ADMIN.value,
    show_default=True,
    help="What the browser may do: read, submit as local, or everything.",
)
def login(url: str, role: str) -> None:
    """Print a link that logs one browser in to the dashboard, once, within 15 minutes.

    It needs no API key. The session ends after 12 hours, or by `imagequeue sessions revoke`.
    """
    from ...config.process import start_process
    from ..login_link import make_login_link

    click.echo(make_login_link(start_process(), url, Role(role)))
