"""The command that prints a one-time login link."""

from __future__ import annotations

import click

from ...store.callers.roles import Role


def _check_name(_: click.Context, __: click.Parameter, name: str) -> str:
    from ...store.callers.api_keys import is_key_name
    from ...store.callers.login_links import LOCAL

    if name != LOCAL and not is_key_name(name):
        raise click.BadParameter(
            "give up to 64 letters, digits, dots, dashes and underscores; celery, cli, python "
            "and env-... have another meaning"
        )
    return name


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
    help="What the browser may do: read, submit, or everything.",
)
@click.option(
    "--name",
    default="local",
    show_default=True,
    callback=_check_name,
    help="The caller that its jobs and its session are of, such as a person's name.",
)
def login(url: str, role: str, name: str) -> None:
    """Print a link that logs one browser in to the dashboard, once, within 15 minutes.

    It needs no API key. The session ends after 12 hours, or by `imagequeue sessions revoke`.
    """
    from ...config.process import start_process
    from ..login_link import make_login_link

    click.echo(make_login_link(start_process(), url, Role(role), name))
