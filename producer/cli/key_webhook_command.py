"""The command on the webhook of an API key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .printing import as_json

if TYPE_CHECKING:
    from ...config.settings import Settings


@click.command()
@click.argument("name")
@click.option("--url", help="Receives the webhooks of its jobs that give no URL of their own.")
@click.option(
    "--new-secret", is_flag=True, help="Make a secret; the former one signs as well for a day."
)
@click.option("--remove", is_flag=True, help="Remove its URL and its secrets.")
@as_json
def webhook(name: str, url: str | None, new_secret: bool, remove: bool, as_json: bool) -> None:
    """Give a key a webhook of its own, or show it; a new secret is printed once."""
    from ...config.process import start_process
    from ...config.redis import connect
    from ...store.clock import RedisClock
    from ...store.webhooks.caller_webhooks import CallerWebhooks

    if remove and (url is not None or new_secret):
        raise click.UsageError("give --remove alone")
    settings = start_process()
    client = connect(settings)
    store, now, secret = CallerWebhooks(client), RedisClock(client)(), ""
    if remove:
        store.remove(name)
    elif url is not None:
        _check_url(settings, url)
    if url is not None or new_secret:
        _, secret = store.change(name, now, url, new_secret=new_secret)
    found = store.find(name)
    count = len(found.list_secrets(now))
    shown = {"name": name, "url": found.url, "secrets": count}
    if secret:
        shown["secret"] = secret
    if as_json:
        click.echo(json.dumps(shown))
        return
    signs = f"{count} secret{'s' * (count != 1)} of its own" if count else "the default secret"
    click.echo(f"{name}  {found.url or 'the default URL'}  signed with {signs}", err=bool(secret))
    if secret:
        click.echo(secret)


def _check_url(settings: Settings, url: str) -> None:
    """Raise UsageError for a URL that no worker would send webhooks to."""
    from pydantic import TypeAdapter, ValidationError

    from ...field_types import HttpURL
    from ...jobs.private_urls import find_webhook_problem

    try:
        TypeAdapter(HttpURL).validate_python(url)
    except ValidationError:
        raise click.UsageError(
            "--url must be an http:// or https:// URL without a user in it"
        ) from None
    if problem := find_webhook_problem(settings, url):
        raise click.UsageError(f"--url: {problem}")
